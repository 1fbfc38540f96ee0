"""The Slack front end: Slack in, jobs out; no model library is ever imported here."""
