"""Benchmarks of the product: real processes, medians of several runs, one table a command."""
