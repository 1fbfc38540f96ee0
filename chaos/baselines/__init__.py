"""Simpler workers that the checker must find at fault."""
