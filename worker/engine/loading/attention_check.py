"""
Check of the attention over the KV cache on a GPU, against the network's own code.

Captured steps and `varlen_attn` are compared with SDPA over the KV cache. Where a captured step
calls SDPA too, a wrong kernel of SDPA would be on both sides. So SDPA itself is compared with
transformers' attention by plain products, which has no cache and calls no such kernel.
"""

from itertools import pairwise
from typing import Any, Final

import torch
from torch import Tensor

from worker.engine import DeviceLostError, LoadError, Request, SamplingParams
from worker.engine.attention.backend import BACKEND_NAME
from worker.engine.attention.kv_cache import KVCache
from worker.engine.attention.verify import (
    LogitsMismatchError,
    compare_logits,
    list_probe_tokens,
)
from worker.engine.core.device_errors import describe_error, is_device_lost
from worker.engine.core.model_runner import ModelRunner
from worker.engine.core.request_state import RequestState, ScheduledRequest

MAX_PROBE_TOKENS: Final = 256
"""Tokens of the probe: several blocks of keys for any kernel."""


def check_kv_attention(network: Any, kv_cache: KVCache) -> None:
    """
    Raise `LoadError` if steps over the KV cache return other logits than the network by itself.

    Raises `DeviceLostError` if the device fails. All slots must be idle, and should hold noise:
    what a kernel reads in the wrong place is then seen.
    """
    length = min(MAX_PROBE_TOKENS, kv_cache.max_positions)
    token_ids = list_probe_tokens(length, network.config.vocab_size)
    try:
        compare_logits(*_run_both(network, kv_cache, token_ids))
    except LogitsMismatchError:
        raise LoadError(
            f"torch {torch.__version__} computes a wrong attention on this device: "
            "install another version, or update the driver"
        ) from None
    # Kernels refuse with errors of any class.
    except Exception as error:
        is_lost = is_device_lost(error, kv_cache.layers[0].device)
        reason = f"a first run over the KV cache fails: {describe_error(error)}"
        raise (DeviceLostError if is_lost else LoadError)(reason) from error


def _run_both(network: Any, kv_cache: KVCache, token_ids: list[int]) -> tuple[Tensor, Tensor]:
    """Return the probe's logits in steps over the KV cache, and those of the network by itself."""
    # A first chunk, a chunk of one token, a later chunk, and a decode beside an idle slot.
    half, length = len(token_ids) // 2, len(token_ids)
    bounds = [0, half, half + 1, length - 1, length]
    runner = ModelRunner(network, kv_cache)
    actual = torch.cat(
        [
            runner.run_eager([_make_part(token_ids, start, end, kv_cache.num_slots)])
            for start, end in pairwise(bounds)
        ]
    )
    device = kv_cache.layers[0].device
    network.set_attn_implementation("eager")
    try:
        expected = network(
            input_ids=torch.tensor([token_ids], device=device),
            position_ids=torch.arange(length, device=device).unsqueeze(0),
            use_cache=False,
        ).logits[0]
    finally:
        network.set_attn_implementation(BACKEND_NAME)
    return actual, torch.stack([expected[row - 1] for row in (half, length - 1, length)])


def _make_part(token_ids: list[int], start: int, end: int, num_slots: int) -> ScheduledRequest:
    """Return a part of the probe that samples, except for the chunk of one token."""
    is_decode = end == len(token_ids)
    known_ids = token_ids[:end] if is_decode or end - start > 1 else token_ids
    request = Request("", tuple(known_ids), SamplingParams())
    state = RequestState(request, known_ids, arrival=0, slot=min(1, num_slots - 1))
    return ScheduledRequest(state, start, end - start)
