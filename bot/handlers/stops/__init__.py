"""Stops of replies by people: requests, and their follow-up until each job has ended."""
