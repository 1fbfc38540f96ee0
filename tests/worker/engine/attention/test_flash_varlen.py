"""Flash attention for prefill chunks: exact inputs for `varlen_attn`, and SDPA as the fallback."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from testing.in_process_engine import (
    EngineFactory,
    make_mixed_requests,
    reference_greedy,
    run_requests,
)
from worker.engine.attention.flash_varlen import FlashVarlen, load_flash_varlen
from worker.engine.loading.loader import LoadedModel

Models = Callable[[str], LoadedModel]


def reference_varlen(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *bounds: Any,
    scale: float,
    window_size: Any,
    **_: Any,
) -> Tensor:
    """
    Compute `varlen_attn` token by token, as torch documents it, for one sequence.

    `window_size` counts the visible positions left and right of a token's own; -1 means all.
    """
    first_queries, first_keys, max_queries, max_keys = bounds
    assert first_queries.tolist() == [0, len(query)] == [0, max_queries]
    assert first_keys.tolist() == [0, len(key)] == [0, max_keys]
    assert window_size[1] == 0
    found = torch.empty_like(query)
    query_group_size = query.shape[1] // key.shape[1]
    for row in range(len(query)):
        at = len(key) - len(query) + row
        span = slice(0 if window_size[0] < 0 else max(0, at - window_size[0]), at + 1)
        for head in range(query.shape[1]):
            scores = key[span, head // query_group_size] @ query[row, head] * scale
            found[row, head] = scores.softmax(0) @ value[span, head // query_group_size]
    return found


@pytest.mark.parametrize("kind", ["bigcode", "llama", "mistral"])
def test_varlen_prefill_equals_sdpa(models: Models, new_engine: EngineFactory, kind: str) -> None:
    """With one, two and four query heads per key-value head, and a sliding window."""
    model = models(kind)
    requests = make_mixed_requests(model.info.vocab_size, 90, 4)
    engine = new_engine(kind, slots=3, max_step_tokens=32)
    log_lines: list[str] = []
    calls: list[int] = []

    def counted(query: Tensor, *rest: Any, **options: Any) -> Tensor:
        calls.append(len(query))
        return reference_varlen(query, *rest, **options)

    engine.model_runner.flash_varlen = FlashVarlen(counted, log_lines.append)

    replies = run_requests(engine, requests)

    assert [replies[r.id].ids for r in requests] == [
        reference_greedy(model.network, r) for r in requests
    ]
    assert len(calls) > 4
    assert log_lines == ["prefill uses varlen_attn"]


def _off_by_one_window(*tensors: Any, window_size: Any, **options: Any) -> Tensor:
    return reference_varlen(*tensors, window_size=(window_size[0] + 1, 0), **options)


def _raise_missing_option(*_: Any, **__: Any) -> Tensor:
    raise TypeError("unexpected keyword argument 'enable_gqa'")


@pytest.mark.parametrize(
    ("function", "why"),
    [(_off_by_one_window, "relative error"), (_raise_missing_option, "TypeError")],
)
def test_mismatching_kernel_falls_back_to_sdpa(
    models: Models, new_engine: EngineFactory, function: Any, why: str
) -> None:
    """A wrong window or an unknown option: one log line, then SDPA."""
    model = models("mistral")
    requests = make_mixed_requests(model.info.vocab_size, 90, 4)
    engine = new_engine("mistral", slots=3, max_step_tokens=32)
    log_lines: list[str] = []
    engine.model_runner.flash_varlen = FlashVarlen(function, log_lines.append)

    replies = run_requests(engine, requests)

    assert [replies[r.id].ids for r in requests] == [
        reference_greedy(model.network, r) for r in requests
    ]
    [line] = log_lines
    assert line.startswith(f"prefill uses SDPA: {why}")


def test_torch_varlen_falls_back_to_sdpa_on_a_cpu(new_engine: EngineFactory) -> None:
    """Torch's own function raises on a CPU; the reply is still complete."""
    log_lines: list[str] = []
    engine = new_engine("bigcode", max_step_tokens=32)
    engine.model_runner.flash_varlen = load_flash_varlen(log_lines.append)
    [request] = make_mixed_requests(448, 90, 1)

    replies = run_requests(engine, [request])

    assert len(replies[request.id].ids) == request.sampling.max_new_tokens
    [line] = log_lines
    assert line.startswith("prefill uses SDPA: ")
