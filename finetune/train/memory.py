"""Memory of a training, estimated from the configuration alone, before anything is loaded."""

import os
from typing import Any, Final, NamedTuple

import torch

from finetune.errors import FinetuneError
from finetune.train.recipe import BatchPlan, Recipe
from worker.engine import LoadError
from worker.engine.loading.memory import free_bytes

TRAINED_WEIGHT_BYTES: Final = 16
"""A trained weight in float32, its gradient, and the two means of Adam."""
FROZEN_WEIGHT_BYTES: Final = {"full": 4.0, "lora": 2.0, "qlora": 0.6}
"""A weight that is not trained: float32, bfloat16, or 4 bits with their scales."""
LAYER_WIDTHS: Final = 34
"""Numbers of 16 bits that one layer keeps per token, in hidden sizes; others are recomputed."""
LOGIT_BYTES: Final = 10
"""Logits in 16 bits, in float32, and their gradients."""


class MemoryEstimate(NamedTuple):
    """Bytes that a device needs."""

    weights: float
    activations: float

    @property
    def total(self) -> float:
        """All bytes."""
        return self.weights + self.activations


def estimate_memory(
    network: Any, recipe: Recipe, plan: BatchPlan, max_tokens: int, shards: int
) -> MemoryEstimate:
    """Return the memory of an empty network's training; its weights are divided by `shards`."""
    sizes = [(weight.numel(), weight.requires_grad) for weight in network.parameters()]
    frozen_bytes = 4.0 if recipe.dtype == "float32" else FROZEN_WEIGHT_BYTES[recipe.method]
    weights = sum(
        count * (TRAINED_WEIGHT_BYTES if is_trained else frozen_bytes)
        for count, is_trained in sizes
    )
    config = network.config
    # Checkpointed: the input of each layer, and all of the one layer that is computed again.
    widths = config.num_hidden_layers + LAYER_WIDTHS
    number_bytes = 4 if recipe.dtype == "float32" else 2
    token_bytes = widths * config.hidden_size * number_bytes + config.vocab_size * LOGIT_BYTES
    return MemoryEstimate(weights / shards, plan.device_batch * max_tokens * token_bytes)


def check_memory(estimate: MemoryEstimate, device: torch.device) -> str:
    """Return a sentence for the log. Raises `FinetuneError` if the device has less memory."""
    try:
        free = free_bytes(device)
    except LoadError as error:
        raise FinetuneError(str(error)) from error
    if device.type == "cpu":
        free //= int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    sentence = (
        f"about {estimate.total / 1e9:.1f} GB a device ({estimate.weights / 1e9:.1f} for weights "
        f"and optimizer), {free / 1e9:.1f} GB free on {device}"
    )
    if estimate.total > free:
        raise FinetuneError(
            f"not enough memory: {sentence}. More devices with finetune/accelerate/fsdp.yaml, "
            "--method lora or qlora, or a smaller --device-batch need less"
        )
    return sentence


def count_shards(processes: int) -> int:
    """Return the devices that share weights and optimizer: one, unless accelerate splits them."""
    names = ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED")
    is_split = any(os.environ.get(name, "").lower() in {"1", "true", "yes"} for name in names)
    return processes if is_split else 1
