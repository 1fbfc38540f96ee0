"""Fine-tuning of StarChat: `python -m finetune prepare` and `python -m finetune train`."""
