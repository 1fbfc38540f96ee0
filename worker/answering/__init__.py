"""The answer pipeline of one job."""
