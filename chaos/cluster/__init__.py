"""Processes under test (workspace, Redis, bots, workers), and the proxies that disturb them."""
