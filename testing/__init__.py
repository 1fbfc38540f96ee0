"""Test support: starts the product, in whole or in part, for tests, benchmarks and `chaos`."""
