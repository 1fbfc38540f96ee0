"""Functional test: code that a model writes is run on test cases, in a container."""
