"""Questions asked by a message shortcut."""
