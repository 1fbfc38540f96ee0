"""Smoke test of a running bot on a real workspace: `python -m bot smoke --channel C…`."""
