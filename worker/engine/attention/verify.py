"""
Model verification: a first run through the attention backend, compared with the model's own code.

An architecture may do more in its attention than the backend does, or keep state elsewhere. The
comparison refuses such a model instead of serving it wrongly. The run also records the KV shape of
each layer.

Shapes: T probe tokens.
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
from worker.engine.attention.layer_spec import LayerSpec

NUM_PROBE_TOKENS: Final = 24

TOLERANCE: Final = {4: 0.01, 2: 0.15}
"""
Maximum relative error of the logits, by bytes per number.

Reordered sums cause up to 0.000006 in float32 and 0.04 in bfloat16 (measured, 40 layers). A wrong
attention causes much more. If rows are rounded to 8 bits between float32 sums, a sum near a tie is
rounded the other way: up to 0.05 (measured). Such a network has the tolerance of 2 bytes.
"""

SUPPORTED_LAYERS: Final = {"full_attention", "sliding_attention"}
"""Supported values of transformers' `layer_types`; other layers keep state outside the KV cache."""


def list_probe_tokens(count: int, vocab_size: int) -> list[int]:
    """Return token ids from all parts of a vocabulary, always the same."""
    return [position * 7919 % vocab_size for position in range(count)]


class LogitsMismatchError(Exception):
    """Two ways to compute a step return different logits."""


def compare_logits(actual: torch.Tensor, expected: torch.Tensor) -> None:
    """
    Raise `LogitsMismatchError` if a row of logits `[N, vocab]` differs by more than `TOLERANCE`.

    Rows in which `expected` isn't finite count for nothing.
    """
    finite_rows = expected.isfinite().all(-1)
    reference = expected[finite_rows].float()
    relative_error = (actual[finite_rows].float() - reference).norm(dim=-1) / reference.norm(dim=-1)
    if not relative_error.max() < TOLERANCE[expected.dtype.itemsize]:
        raise LogitsMismatchError("its logits differ")


def verify_model(network: Any, *, rounds_rows: bool = False) -> tuple[LayerSpec, ...]:
    """
    Return the KV shape of each layer and leave the network on the attention backend.

    `rounds_rows`: the linear layers round their inputs to 8 bits, as int8 on a CPU does.

    Raises `LoadError` if the backend can't serve the network.
    """
    architecture = type(network).__name__
    if not set(getattr(network.config, "layer_types", None) or ()) <= SUPPORTED_LAYERS:
        raise LoadError(f"{architecture} has layers that the engine does not support")
    ids, positions = _make_tokens(network)
    shape_probe = ShapeProbe()
    with torch.inference_mode():
        expected = network(input_ids=ids, position_ids=positions, use_cache=False).logits.float()
        logits = _run_with_backend(network, ids, positions, shape_probe)
    relative_error = (logits - expected).norm() / expected.norm()
    layers = sorted(shape_probe.layers)
    specs = tuple(shape_probe.layers[index] for index in layers)
    complete = layers == list(range(network.config.num_hidden_layers))
    if not complete or not relative_error < _find_tolerance(specs, rounds_rows=rounds_rows):
        raise LoadError(f"{architecture} has an attention that the engine does not support")
    return specs


def _find_tolerance(layers: tuple[LayerSpec, ...], *, rounds_rows: bool) -> float:
    """Return the tolerance for what layers compute in; packed weights are narrower than that."""
    itemsize = min(layer.dtype.itemsize for layer in layers)
    return TOLERANCE[min(itemsize, 2) if rounds_rows else itemsize]


def _make_tokens(network: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the probe's ids and their positions, int64 `[1, T]` each."""
    table = network.get_input_embeddings().weight
    positions = torch.arange(NUM_PROBE_TOKENS, device=table.device).unsqueeze(0)
    ids = torch.tensor([list_probe_tokens(NUM_PROBE_TOKENS, len(table))], device=table.device)
    return ids, positions


def _run_with_backend(
    network: Any, ids: torch.Tensor, positions: torch.Tensor, shape_probe: ShapeProbe
) -> torch.Tensor:
    """Return float32 logits `[1, T, vocab]`. `ids`, `positions`: int64 `[1, T]`."""
    register_backend()
    try:
        network.set_attn_implementation(BACKEND_NAME)
        output = network(input_ids=ids, position_ids=positions, use_cache=False, packed=shape_probe)
    except UnsupportedOptionError as error:
        raise LoadError(
            f"{type(network).__name__} passes an unsupported option to its attention: {error}"
        ) from None
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise LoadError(
            f"{type(network).__name__} does not run on the engine's KV cache"
        ) from error
    logits: torch.Tensor = output.logits.float()
    return logits
