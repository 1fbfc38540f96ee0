"""Slack's Web API: the methods that an app calls, with Slack's errors and rate limits."""
