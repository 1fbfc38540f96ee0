"""A thread's code in one piece: pure, deterministic, and without the model."""
