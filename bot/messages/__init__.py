"""Slack's payloads as types of our own, and threads as conversations; pure."""
