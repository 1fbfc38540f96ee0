"""The current code of a thread: requests, and the files that answer them."""
