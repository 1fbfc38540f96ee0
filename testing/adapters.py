"""LoRA adapters with random weights, as peft saves them."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

LAYERS: Final = ("c_attn", "c_fc")


def write_adapter(
    directory: Path, base: Path, layers: Sequence[str] = LAYERS, **options: Any
) -> Path:
    """Write an adapter of a base model's layers whose both factors are random, as peft saves it."""
    torch.manual_seed(1)
    network = AutoModelForCausalLM.from_pretrained(base)
    tuned = get_peft_model(
        network,
        LoraConfig(
            r=4,
            lora_alpha=16,
            target_modules=list(layers),
            init_lora_weights=False,
            **options,
        ),
    )
    tuned.save_pretrained(directory)
    shutil.copy(base / "tokenizer.json", directory)
    return directory
