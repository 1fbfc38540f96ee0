"""Questions of people that the bot posts for them: they have no message of their own."""
