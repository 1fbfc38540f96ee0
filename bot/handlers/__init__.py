"""One handler for each kind of event."""
