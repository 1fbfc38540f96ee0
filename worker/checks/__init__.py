"""
Code checks: whether the code of a finished reply parses. Nothing is run.

Parsers read what a model wrote, so they run in child processes (`python -m worker.checks`) with
limits of time and memory. `worker.checks.pool` is the worker's end.
"""
