"""What the bot and the worker agree on: conversations, jobs, Redis names; no client library."""
