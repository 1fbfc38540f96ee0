"""Questions asked by a message shortcut or a command."""
