"""The control API for tests and administrators."""
