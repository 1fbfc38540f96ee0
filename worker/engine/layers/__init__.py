"""On a CPU: the layers of a model, made faster without another result."""
