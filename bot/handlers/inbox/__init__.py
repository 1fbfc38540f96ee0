"""Inbox: reads the threads of accepted questions after their acknowledgement."""
