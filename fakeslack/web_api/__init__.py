"""Slack's Web API: the methods that an app calls, with Slack's own errors and limits."""
