"""Smaller weights: what they need, how large they are, and that they still know the answers."""

from importlib.util import find_spec

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from testing.checkpoints import memorizing_checkpoint
from testing.in_process_engine import GREEDY_SAMPLING, run_requests
from worker.engine import LoadError, Request
from worker.engine.core.engine_core import EngineCore
from worker.engine.loading.loader import LoadedModel, load_model
from worker.engine.loading.quantization import SCHEMES, quantized_bytes, transformers_config
from worker.engine.protocol import EngineConfig

STARCHAT_CONFIG = {
    "n_embd": 6144,
    "n_head": 48,
    "n_layer": 40,
    "n_inner": 24576,
    "n_positions": 8192,
    "vocab_size": 49156,
    "bos_token_id": 0,
    "eos_token_id": 0,
}


def load_taught_model(quantize: str | None) -> LoadedModel:
    """Load the model that knows a few answers."""
    directory = memorizing_checkpoint()
    options = EngineConfig(model=str(directory), slots=2, quantization=quantize)
    return load_model(directory, options, lambda _stage, _done: None)


def requires_package(name: str) -> pytest.MarkDecorator:
    """Run only where the package of a kind is installed."""
    package = SCHEMES[name].package
    return pytest.mark.skipif(find_spec(package) is None, reason=f"needs {package}")


@pytest.mark.parametrize(("name", "least", "most"), [("int8", 15.5e9, 16.5e9), ("nf4", 8e9, 9e9)])
def test_starchat_becomes_small_enough_for_24_gb(name: str, least: float, most: float) -> None:
    """Of 31 GB in bfloat16 about 16 remain with 8 bits, about 9 with 4."""
    with torch.device("meta"):
        config = AutoConfig.for_model("gpt_bigcode", **STARCHAT_CONFIG)
        network = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]

    assert least < quantized_bytes(name, network, torch.bfloat16) < most


@pytest.mark.parametrize("name", SCHEMES)
def test_a_missing_package_is_named(name: str) -> None:
    """The operator reads what to install."""
    if find_spec(SCHEMES[name].package) is not None:
        pytest.skip("it is installed")
    with pytest.raises(LoadError, match=rf"needs the package \w+: pip install '.*\[{name}\]'"):
        load_taught_model(name)


def test_another_kind_is_refused() -> None:
    """There are two."""
    with pytest.raises(LoadError, match="STARCHAT_QUANTIZATION must be int8 or nf4, not int3"):
        transformers_config("int3", torch.float32)


def test_without_a_kind_nothing_is_quantised() -> None:
    """The weights stay what they are."""
    assert transformers_config(None, torch.float32) is None


@pytest.mark.parametrize(
    ("name", "close"),
    [
        pytest.param("int8", 0.2, marks=requires_package("int8")),
        pytest.param("nf4", 2.0, marks=requires_package("nf4")),
    ],
)
def test_a_quantised_model_serves_and_says_nearly_the_same(name: str, close: float) -> None:
    """Through the engine's own attention; the probe at the load has compared that already."""
    plain, small = load_taught_model(None), load_taught_model(name)
    ids = torch.arange(30, 60)[None]
    with torch.inference_mode():
        said = [
            AutoModelForCausalLM.from_pretrained(
                memorizing_checkpoint(),
                quantization_config=transformers_config(kind, torch.float32),
            )(ids).logits
            for kind in (None, name)
        ]
    assert (said[0] - said[1]).abs().mean() < close
    assert small.info.dtype == name
    for model in (plain, small):
        engine = EngineCore(
            model.network, model.kv_cache, vocab_size=model.info.vocab_size, max_step_tokens=64
        )
        reply = run_requests(engine, [Request("a", tuple(range(30, 60)), GREEDY_SAMPLING)])["a"]
        assert reply.failure is None
        assert reply.ids
