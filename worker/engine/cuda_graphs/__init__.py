"""CUDA graphs: steps of fixed shapes, captured once and replayed."""
