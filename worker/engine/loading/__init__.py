"""Model loading: checkpoint, weights, quantization, memory planning and warm-up."""
