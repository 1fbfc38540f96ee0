"""Checks of a reply's wording, off unless an operator wants them: a word list and a classifier."""
