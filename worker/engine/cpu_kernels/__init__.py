"""CPU kernels in C, which the set-up builds where there is a compiler."""
