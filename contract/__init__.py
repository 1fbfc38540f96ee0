"""Contract of the bot and the worker: conversations, jobs, Redis keys and shared sentences."""
