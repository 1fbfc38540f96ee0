"""Fine-tuning of StarChat: `python -m finetune prepare`, `train` and `evaluate`."""
