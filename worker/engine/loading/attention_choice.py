"""Choice of the attention on a GPU: torch's variable-length kernel where it agrees with SDPA."""

from collections.abc import Callable
from typing import Any, Final

import torch

from worker.engine.attention.kv_cache import KVCache
from worker.engine.attention.step_shape import StepShape
from worker.engine.attention.varlen_batch import VarlenAttention, load_varlen_attn
from worker.engine.attention.verify import compare_logits
from worker.engine.core.device_errors import describe_error
from worker.engine.core.model_runner import ModelRunner
from worker.engine.cuda_graphs.dummy_steps import make_dummy_step

PROBE_POSITIONS: Final = 1024
"""Positions that the probe's longest sequence attends to if no layer has a window."""
POSITIONS_BEYOND_WINDOW: Final = 100
"""The same beyond a window, so that each sequence has positions that it must not see."""
PROBE_TOKENS: Final = 48
"""Tokens of the probe's step with a prefill chunk."""


def choose_varlen_attn(
    network: Any,
    kv_cache: KVCache,
    log: Callable[[str], None],
    load_function: Callable[[], VarlenAttention | None] = load_varlen_attn,
) -> VarlenAttention | None:
    """
    Return torch's variable-length attention if it works here, else `None`.

    The function varies with torch version, GPU and number format. So a step of decodes, and one
    with a prefill chunk and drafts, are compared with SDPA. `log` receives one line. All slots must
    be idle, and should hold noise: what a kernel reads in the wrong place is then seen.
    """
    varlen_attn = load_function()
    if varlen_attn is None:
        log(f"attention uses SDPA: torch {torch.__version__} has no varlen_attn")
        return None
    reference, runner = ModelRunner(network, kv_cache), ModelRunner(network, kv_cache)
    runner.varlen_attn = varlen_attn
    for shape in _list_probe_shapes(kv_cache, getattr(network.config, "sliding_window", None)):
        step = make_dummy_step(shape, kv_cache.num_slots)
        try:
            compare_logits(runner.run_eager(step), reference.run_eager(step))
        # Kernels refuse with errors of any class.
        except Exception as error:  # noqa: BLE001
            log(f"attention uses SDPA: varlen_attn fails with {describe_error(error)}")
            return None
    log("attention uses varlen_attn")
    return varlen_attn


def _list_probe_shapes(kv_cache: KVCache, window: int | None) -> list[StepShape]:
    num_positions = window + POSITIONS_BEYOND_WINDOW if window else PROBE_POSITIONS
    kv_length = min(num_positions, kv_cache.max_positions)
    num_tokens = min(PROBE_TOKENS, kv_length // 2)
    num_decodes = min(3, kv_cache.num_slots)
    return [
        StepShape(num_decodes, num_decodes, num_decodes, 1, kv_length),
        StepShape(num_tokens, num_decodes + 1, 0, num_tokens, kv_length),
    ]
