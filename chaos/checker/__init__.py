"""The history checker."""
