"""Everything on one machine with nothing to configure: what `make demo` starts."""
