"""Controls below finished replies."""
