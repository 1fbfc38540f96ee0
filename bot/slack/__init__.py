"""Connections to Slack: Web API client, Socket Mode, HTTP mode, posts, users."""
