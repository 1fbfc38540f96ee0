"""Choice of the attention: torch's kernel is used only where it agrees with SDPA."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from testing.reference_varlen import reference_varlen_attn
from worker.engine.attention.kv_cache import KVCache
from worker.engine.attention.varlen_batch import VarlenAttention, load_varlen_attn
from worker.engine.loading.attention_choice import choose_varlen_attn
from worker.engine.loading.loader import LoadedModel

Models = Callable[[str], LoadedModel]


def choose(
    models: Models,
    load_function: Callable[[], VarlenAttention | None],
    slots: int = 4,
    name: str = "mistral",
) -> tuple[VarlenAttention | None, list[str]]:
    """Return the choice for a model, with a sliding window if none is named, and the log lines."""
    model = models(name)
    kv_cache = KVCache(model.kv_cache.layers, slots, model.info.max_positions)
    kv_cache.fill_with_noise()
    log_lines: list[str] = []
    with torch.inference_mode():
        found = choose_varlen_attn(model.network, kv_cache, log_lines.append, load_function)
    return found, log_lines


@pytest.mark.parametrize("slots", [1, 2, 4])
def test_agreeing_kernel_is_used(models: Models, slots: int) -> None:
    """With any number of slots."""
    found, log_lines = choose(models, lambda: reference_varlen_attn, slots)

    assert found is reference_varlen_attn
    assert log_lines == ["attention uses varlen_attn"]


def wider_window(*tensors: Any, window_size: tuple[int, int], **options: Any) -> Tensor:
    """Attend to one position more than the window has."""
    return reference_varlen_attn(*tensors, window_size=(window_size[0] + 1, 0), **options)


def next_slot(*tensors: Any, **options: Any) -> Tensor:
    """Attend to the keys behind a sequence's own."""
    query, key, value, query_starts, key_starts, *lengths = tensors
    return reference_varlen_attn(
        query, key, value, query_starts, key_starts + 64, *lengths, **options
    )


def whole_slot(*tensors: Any, seqused_k: Tensor, **options: Any) -> Tensor:
    """Attend to one position more than a decode has."""
    longer: dict[str, Any] = {"seqused_k": seqused_k + 1, **options}
    return reference_varlen_attn(*(*tensors[:-1], tensors[-1] + 1), **longer)


def missing_option(*_: Any, **__: Any) -> Tensor:
    """Refuse an argument, as an older torch does."""
    raise TypeError("unexpected keyword argument 'seqused_k'")


def not_finite(*tensors: Any, **_: Any) -> Tensor:
    """Return what uninitialized memory may hold."""
    return torch.full_like(tensors[0], torch.nan)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (wider_window, "LogitsMismatchError"),
        (next_slot, "LogitsMismatchError"),
        (whole_slot, "LogitsMismatchError"),
        (not_finite, "LogitsMismatchError"),
        (missing_option, "TypeError: unexpected keyword argument 'seqused_k'"),
    ],
)
def test_other_kernel_is_not_used(models: Models, function: VarlenAttention, reason: str) -> None:
    """One log line says why."""
    found, [line] = choose(models, lambda: function)

    assert found is None
    assert line.startswith(f"attention uses SDPA: varlen_attn fails with {reason}")


def first_positions(*tensors: Any, seqused_k: Tensor, **options: Any) -> Tensor:
    """Attend to no position from 128 on."""
    shorter: dict[str, Any] = {"seqused_k": seqused_k.clamp(max=128), **options}
    return reference_varlen_attn(*tensors, **shorter)


def test_kernel_is_probed_at_many_positions(models: Models) -> None:
    """A kernel may be right for short sequences only."""
    found, [line] = choose(models, lambda: first_positions, name="bigcode")

    assert found is None
    assert "LogitsMismatchError" in line


def test_torch_kernel_is_not_used_on_a_cpu(models: Models) -> None:
    """Torch's own function raises."""
    found, [line] = choose(models, load_varlen_attn)

    assert found is None
    assert line.startswith("attention uses SDPA: varlen_attn fails with ")


def test_older_torch_has_no_kernel(models: Models) -> None:
    """One log line names the version."""
    found, log_lines = choose(models, lambda: None)

    assert found is None
    assert log_lines == [f"attention uses SDPA: torch {torch.__version__} has no varlen_attn"]
