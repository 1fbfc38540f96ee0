"""Check of a network whose last layer computes only the wanted tokens (see `last_layer`)."""

from typing import Any

import torch

from worker.engine import Request, SamplingParams
from worker.engine.attention.kernel_batch import find_kernel
from worker.engine.attention.kv_cache import KVCache
from worker.engine.attention.last_layer import find_last_layer, narrow_layer, restore_layer
from worker.engine.attention.verify import NUM_PROBE_TOKENS, compare_logits, list_probe_tokens
from worker.engine.core.model_runner import ModelRunner
from worker.engine.core.request_state import RequestState, ScheduledRequest


def narrow_last_layer(network: Any, kv_cache: KVCache) -> bool:
    """
    Let the last layer compute only wanted tokens; returns whether the logits stay as they were.

    If not, or if an architecture's layer refuses, the network stays as it is. All slots must be
    idle; slot 0 is zeroed.
    """
    layer = find_last_layer(network)
    if layer is None or kv_cache.max_positions < NUM_PROBE_TOKENS:
        return False
    with torch.inference_mode():
        expected = _run_probe(network, kv_cache)
        narrow_layer(layer)
        try:
            compare_logits(_run_probe(network, kv_cache), expected)
        # Each architecture's layer refuses with errors of its own.
        except Exception:  # noqa: BLE001
            restore_layer(layer)
            return False
        finally:
            kv_cache.zero_slot(0)
    return True


def _run_probe(network: Any, kv_cache: KVCache) -> torch.Tensor:
    """Return the logits of a short prompt's last token, `[1, vocab]`."""
    vocab_size = len(network.get_input_embeddings().weight)
    tokens = list_probe_tokens(NUM_PROBE_TOKENS, vocab_size)
    state = RequestState(Request("", tuple(tokens), SamplingParams()), tokens, 0, slot=0)
    runner = ModelRunner(network, kv_cache, find_kernel(kv_cache.layers))
    return runner.run_eager([ScheduledRequest(state, 0, len(tokens))])
