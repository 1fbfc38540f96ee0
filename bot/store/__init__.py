"""Everything that the bot keeps in Redis."""
