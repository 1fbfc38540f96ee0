"""Starts the product, in whole or in part, for tests, benchmarks and the fault-injection tool."""
