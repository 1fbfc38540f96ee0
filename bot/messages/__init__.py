"""Pure: Slack payloads parsed into types, and a thread's messages turned into a conversation."""
