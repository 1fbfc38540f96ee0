"""Handlers of Slack requests: questions, edits, commands, and backfill after an outage."""
