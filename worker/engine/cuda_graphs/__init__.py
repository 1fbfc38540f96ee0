"""CUDA graphs: decode steps of fixed shapes, captured once and replayed."""
