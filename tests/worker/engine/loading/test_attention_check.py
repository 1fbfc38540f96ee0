"""Check of the attention over the KV cache: a wrong kernel of torch stops the load."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from testing.in_process_engine import GREEDY_SAMPLING, build_captured_engine, run_requests
from worker.engine import DeviceLostError, LoadError, Request
from worker.engine.attention.kv_cache import KVCache
from worker.engine.loading.attention_check import check_kv_attention
from worker.engine.loading.loader import LoadedModel
from worker.engine.loading.warmup import _choose_attention

Models = Callable[[str], LoadedModel]
Kernel = Callable[..., Tensor]


class ReplacedKernel(TorchFunctionMode):
    """Context in which another function takes the place of torch's SDPA, wherever it is called."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__()
        self._kernel = kernel

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        called = self._kernel if func is scaled_dot_product_attention else func
        return called(*args, **(kwargs or {}))


def without_mask(*tensors: Any, attn_mask: Tensor | None = None, **options: Any) -> Tensor:
    """Attend to all keys, also to those that a mask hides."""
    return scaled_dot_product_attention(*tensors, **options)


def wrong_for_one_query(*tensors: Any, **options: Any) -> Tensor:
    """Attend to the first half of the keys if there is no mask, as a broken split does."""
    query, key, value = tensors
    if options.get("attn_mask") is None and not options.get("is_causal"):
        half = (key.shape[2] + 1) // 2
        key, value = key[:, :, :half], value[:, :, :half]
    return scaled_dot_product_attention(query, key, value, **options)


def wrong_scale(*tensors: Any, is_causal: bool = False, **options: Any) -> Tensor:
    """Scale the scores of all steps but a first chunk, eager or captured, by another factor."""
    query, key, value = tensors
    factor = 1 if is_causal else 9
    return scaled_dot_product_attention(query * factor, key, value, is_causal=is_causal, **options)


def wrong_when_causal(*tensors: Any, is_causal: bool = False, **options: Any) -> Tensor:
    """Let each token of a first chunk attend to later ones."""
    return scaled_dot_product_attention(*tensors, **options)


def not_finite(*tensors: Any, **_: Any) -> Tensor:
    """Return what uninitialized memory may hold."""
    return torch.full_like(tensors[0], torch.nan)


def check(model: LoadedModel, slots: int) -> None:
    """Check a model over slots full of noise."""
    kv_cache = KVCache(model.kv_cache.layers, slots, model.info.max_positions)
    kv_cache.fill_with_noise()
    with torch.inference_mode():
        check_kv_attention(model.network, kv_cache)


@pytest.mark.parametrize("kind", ["bigcode", "bigcode-heads", "llama", "mistral"])
@pytest.mark.parametrize("slots", [1, 3])
def test_right_attention_passes(models: Models, kind: str, slots: int) -> None:
    """Afterwards the network is on the engine's attention again."""
    network: Any = models(kind).network
    check(models(kind), slots)

    assert network.config._attn_implementation == "starchat_slots"


@pytest.mark.parametrize(
    "kernel", [without_mask, wrong_for_one_query, wrong_scale, wrong_when_causal, not_finite]
)
def test_wrong_kernel_stops_the_load(models: Models, kernel: Kernel) -> None:
    """
    In prefill, decodes or both; the network's own attention does not call it.

    The warm-up checks before it chooses another kernel, and before it captures anything.
    """
    captured = build_captured_engine(models("bigcode"), slots=3)
    model = replace(models("bigcode"), kv_cache=captured.kv_cache)
    with (
        ReplacedKernel(kernel),
        pytest.raises(LoadError, match="computes a wrong attention on this device"),
    ):
        _choose_attention(captured.engine_core, model, captured.log_lines.append)

    assert captured.log_lines == []


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED"), LoadError),
        (torch.AcceleratorError("CUDA error: misaligned address\nmore lines"), DeviceLostError),
    ],
)
def test_failing_kernel_is_named(models: Models, error: Exception, raised: type[Exception]) -> None:
    """A lost device starts the engine again; a call that is refused always stops it."""

    def fail(*_: Any, **__: Any) -> Tensor:
        raise error

    model = models("bigcode")
    with ReplacedKernel(fail), pytest.raises(raised, match=rf"fails: \w+: {error.args[0][:20]}"):
        check(model, 3)


def test_captured_steps_alone_would_not_see_it(models: Models) -> None:
    """Without `varlen_attn`, captured and eager steps call the same kernel."""
    request = Request("a", tuple(range(20, 40)), GREEDY_SAMPLING)
    expected = run_requests(build_captured_engine(models("bigcode")).engine_core, [request])
    captured = build_captured_engine(models("bigcode"), is_packed=False)

    with ReplacedKernel(wrong_scale):
        replies = run_requests(captured.engine_core, [request])

    assert replies != expected
    assert not captured.graphs.is_disabled
