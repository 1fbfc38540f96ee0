"""Chaos: faults on purpose, what then happened, and whether every promise held."""
