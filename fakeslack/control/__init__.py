"""Control API for tests and administrators."""
