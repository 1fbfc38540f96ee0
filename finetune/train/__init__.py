"""Training: StarChat's recipe with transformers' Trainer, and the best checkpoint kept."""
