"""Network to train: all weights, or a LoRA adapter on a base in 16 or 4 bits."""

import importlib.util
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig

from finetune.errors import FinetuneError
from finetune.train.recipe import Recipe


def read_config(directory: Path) -> Any:
    """Return the configuration of a checkpoint. Raises `FinetuneError`."""
    if not (directory / "config.json").is_file():
        raise FinetuneError(f"{directory} is no checkpoint: it has no config.json")
    try:
        config = AutoConfig.from_pretrained(directory, local_files_only=True)
    except (OSError, ValueError) as error:
        raise FinetuneError(f"{directory} has no usable config.json: {error}") from error
    config.use_cache = False
    return config


def check_method(recipe: Recipe) -> None:
    """Raise `FinetuneError` if this machine cannot train in 4 bits."""
    if recipe.method != "qlora":
        return
    if not torch.cuda.is_available():
        raise FinetuneError("--method qlora needs a CUDA device; lora runs without one")
    if importlib.util.find_spec("bitsandbytes") is None:
        raise FinetuneError("--method qlora needs the package bitsandbytes, which is missing")


def create_empty_network(config: Any, recipe: Recipe) -> Any:
    """Return the network without any memory for its weights."""
    with torch.device("meta"):
        network = AutoModelForCausalLM.from_config(config)
        return network if recipe.method == "full" else _add_adapter(network, recipe)


def build_quantization() -> BitsAndBytesConfig:
    """
    Return the number format of a base in 4 bits.

    Dettmers et al., "QLoRA: Efficient Finetuning of Quantized LLMs", 2023.
    """
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def load_network(directory: Path, config: Any, recipe: Recipe) -> Any:
    """
    Return the network with its weights.

    All weights are trained in float32, because a step of 2e-5 is lost in bfloat16; only the
    arithmetic has 16 bits. The base below an adapter does not change, so it has 16 bits.
    """
    is_whole = recipe.method == "full" or recipe.dtype == "float32"
    quantization = build_quantization() if recipe.method == "qlora" else None
    try:
        network = AutoModelForCausalLM.from_pretrained(
            directory,
            config=config,
            dtype=torch.float32 if is_whole else torch.bfloat16,
            quantization_config=quantization,
            local_files_only=True,
            use_safetensors=True,
        )
    except (OSError, ValueError) as error:
        reason = str(error).split("\n", 1)[0]
        raise FinetuneError(f"{directory} cannot be loaded: {reason}") from error
    if recipe.method == "full":
        return network
    if quantization:
        network = prepare_model_for_kbit_training(network, use_gradient_checkpointing=False)
    return _add_adapter(network, recipe)


def _add_adapter(network: Any, recipe: Recipe) -> Any:
    """Return the network with an adapter for each linear layer but the last."""
    return get_peft_model(
        network,
        LoraConfig(
            r=recipe.lora_rank,
            lora_alpha=recipe.lora_alpha,
            lora_dropout=recipe.lora_dropout,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
    )
