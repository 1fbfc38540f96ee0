"""Votes on replies: presses, what follows from them, and how the outbox keeps them."""
