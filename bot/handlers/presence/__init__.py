"""Presence beside replies: the place in line, and suggested prompts."""
