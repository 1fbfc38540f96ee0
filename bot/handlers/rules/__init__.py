"""Rules of channels as the bot reads, shows and changes them."""
