"""One module for each engine, with `load`; each imports what it needs and nothing else does."""
