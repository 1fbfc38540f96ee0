"""Events and interactions on their way to the app."""
