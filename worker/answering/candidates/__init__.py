"""Best of n: further candidates for a reply with code, and the choice among them by checks."""
