"""The fault-injection tool: `python -m chaos`."""
