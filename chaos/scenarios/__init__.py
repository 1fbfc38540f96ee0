"""The scenarios of the fault-injection tool."""
