"""Adapters of the benchmarked engines, one module each, which alone imports its libraries."""
