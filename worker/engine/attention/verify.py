"""
A model's first run: learns what each layer keeps of a position, and refuses what we cannot serve.

An architecture may do more in its attention than ours does, or keep state elsewhere. Rather than
serve it wrongly, its logits through our attention are compared with those of its own code.
"""

from typing import Any, Final

import torch

from worker.engine import LoadError
from worker.engine.attention.backend import (
    BACKEND_NAME,
    ShapeProbe,
    UnsupportedOptionError,
    register_backend,
)
from worker.engine.attention.kv_cache import LayerSpec

NUM_PROBE_TOKENS: Final = 24

TOLERANCE: Final = {4: 0.01, 2: 0.15}
"""
The most our logits may differ from the model's own, as a share of their size, by bytes of a number.
Another order of the same sums is off by up to 0.000003, and by 0.04 in bfloat16 (40 layers,
measured); a wrong attention by much more.
"""

SUPPORTED_LAYERS: Final = {"full_attention", "sliding_attention"}
"""Kinds of layers in transformers' words; others keep state that slots do not hold."""


def verify_model(network: Any) -> tuple[LayerSpec, ...]:
    """Return the layers of a network and leave it on our attention. Raises `LoadError`."""
    architecture = type(network).__name__
    if not set(getattr(network.config, "layer_types", None) or ()) <= SUPPORTED_LAYERS:
        raise LoadError(f"{architecture} has layers that the engine does not serve")
    ids, positions = _make_tokens(network)
    shape_probe = ShapeProbe()
    with torch.inference_mode():
        expected = network(input_ids=ids, position_ids=positions, use_cache=False).logits.float()
        logits = _run_with_backend(network, ids, positions, shape_probe)
    relative_error = (logits - expected).norm() / expected.norm()
    layers = sorted(shape_probe.layers)
    complete = layers == list(range(network.config.num_hidden_layers))
    if not complete or not relative_error < TOLERANCE[network.dtype.itemsize]:
        raise LoadError(f"{architecture} has an attention that the engine does not serve")
    return tuple(shape_probe.layers[index] for index in layers)


def _make_tokens(network: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return some ids of all parts of the vocabulary, and their positions."""
    table = network.get_input_embeddings().weight
    positions = torch.arange(NUM_PROBE_TOKENS, device=table.device).unsqueeze(0)
    return positions * 7919 % len(table), positions


def _run_with_backend(
    network: Any, ids: torch.Tensor, positions: torch.Tensor, shape_probe: ShapeProbe
) -> torch.Tensor:
    register_backend()
    try:
        network.set_attn_implementation(BACKEND_NAME)
        output = network(input_ids=ids, position_ids=positions, use_cache=False, packed=shape_probe)
    except UnsupportedOptionError as error:
        raise LoadError(f"{type(network).__name__} asks its attention for '{error}'") from None
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise LoadError(f"{type(network).__name__} does not run on slots") from error
    logits: torch.Tensor = output.logits.float()
    return logits
