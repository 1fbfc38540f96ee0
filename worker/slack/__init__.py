"""The Web API client and the messages of one reply."""
