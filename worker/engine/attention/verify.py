"""
A model's first run: learns what each layer keeps of a position, and refuses what we cannot serve.

An architecture may do more in its attention than ours does, or keep state elsewhere. Rather than
serve it wrongly, its logits through our attention are compared with those of its own code.
"""

from typing import Any, Final

import torch

from worker.engine import LoadError
from worker.engine.attention.backend import NAME, Shapes, UnservedError, register
from worker.engine.attention.kv_cache import Layer

TOKENS: Final = 24

CLOSE: Final = {4: 0.01, 2: 0.15}
"""
The most our logits may differ from the model's own, as a share of their size, by bytes of a number.
Another order of the same sums is off by up to 0.000003, and by 0.04 in bfloat16 (40 layers,
measured); a wrong attention by much more.
"""

SERVED: Final = {"full_attention", "sliding_attention"}
"""Kinds of layers in transformers' words; others keep state that slots do not hold."""


def probe(network: Any) -> tuple[Layer, ...]:
    """Return the layers of a network and leave it on our attention. Raises `LoadError`."""
    kind = type(network).__name__
    if not set(getattr(network.config, "layer_types", None) or ()) <= SERVED:
        raise LoadError(f"{kind} has layers that the engine does not serve")
    ids, at = _tokens(network)
    shapes = Shapes()
    with torch.inference_mode():
        expected = network(input_ids=ids, position_ids=at, use_cache=False).logits.float()
        found = _ours(network, ids, at, shapes)
    off = (found - expected).norm() / expected.norm()
    layers = sorted(shapes.layers)
    complete = layers == list(range(network.config.num_hidden_layers))
    if not complete or not off < CLOSE[network.dtype.itemsize]:
        raise LoadError(f"{kind} has an attention that the engine does not serve")
    return tuple(shapes.layers[index] for index in layers)


def _tokens(network: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return some ids of all parts of the vocabulary, and their positions."""
    table = network.get_input_embeddings().weight
    at = torch.arange(TOKENS, device=table.device).unsqueeze(0)
    return at * 7919 % len(table), at


def _ours(network: Any, ids: torch.Tensor, at: torch.Tensor, shapes: Shapes) -> torch.Tensor:
    register()
    try:
        network.set_attn_implementation(NAME)
        found = network(input_ids=ids, position_ids=at, use_cache=False, packed=shapes)
    except UnservedError as error:
        raise LoadError(f"{type(network).__name__} asks its attention for '{error}'") from None
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise LoadError(f"{type(network).__name__} does not run on slots") from error
    logits: torch.Tensor = found.logits.float()
    return logits
