"""The command `python -m bot reply`: what is known about one reply, without its text."""
