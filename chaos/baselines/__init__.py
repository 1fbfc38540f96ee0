"""Baselines: two simple workers that the same scenarios measure beside the product."""
