"""The demo that `make demo` starts: the whole product on one machine, without configuration."""
