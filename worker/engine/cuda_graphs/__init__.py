"""On a GPU: steps of fixed shapes, recorded once and repeated."""
