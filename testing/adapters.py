"""LoRA adapters with random weights, as peft saves them."""

import shutil
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM


def write_adapter(directory: Path, base: Path, **options: Any) -> Path:
    """Write an adapter of a base model whose both factors are random, as peft saves it."""
    torch.manual_seed(1)
    network = AutoModelForCausalLM.from_pretrained(base)
    tuned = get_peft_model(
        network,
        LoraConfig(
            r=4,
            lora_alpha=16,
            target_modules=["c_attn", "c_fc"],
            init_lora_weights=False,
            **options,
        ),
    )
    tuned.save_pretrained(directory)
    shutil.copy(base / "tokenizer.json", directory)
    return directory
