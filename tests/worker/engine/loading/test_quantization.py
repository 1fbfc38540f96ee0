"""Quantization: required packages, sizes of weights, and answers of a quantized model."""

import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from testing.checkpoints import memorizing_checkpoint
from testing.in_process_engine import GREEDY_SAMPLING, run_requests
from worker.engine import LoadError, Request
from worker.engine.core.engine_core import EngineCore
from worker.engine.loading import cpu_linear
from worker.engine.loading.cpu_linear import has_fbgemm
from worker.engine.loading.loader import LoadedModel, load_model
from worker.engine.loading.quantization import (
    SCHEMES,
    check_fp8,
    quantized_bytes,
    transformers_config,
)
from worker.engine.protocol import EngineConfig

CPU = torch.device("cpu")
OPERATIONS = Path(__file__).parents[4] / "docs" / "operations.md"
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
    """Load the model that has memorized a few answers."""
    directory = memorizing_checkpoint()
    options = EngineConfig(model=str(directory), slots=2, quantization=quantize)
    return load_model(directory, options, lambda _stage, _done: None)


def requires_package(name: str) -> pytest.MarkDecorator:
    """Skip a test unless a scheme's package is installed."""
    package = SCHEMES[name].package
    return pytest.mark.skipif(find_spec(package) is None, reason=f"needs {package}")


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("int8", 15.5e9, 16.5e9), ("fp8", 15.5e9, 16.5e9), ("nf4", 8e9, 9e9)],
)
def test_quantized_starchat_fits_24_gb(name: str, least: float, most: float) -> None:
    """31 GB in bfloat16 become about 16 GB in int8 and about 9 GB in nf4."""
    with torch.device("meta"):
        config = AutoConfig.for_model("gpt_bigcode", **STARCHAT_CONFIG)
        network = AutoModelForCausalLM.from_config(config)

    assert least < quantized_bytes(name, network, torch.bfloat16) < most


@pytest.mark.parametrize("name", ["int8", "nf4"])
def test_missing_package_raises_load_error(name: str) -> None:
    """The error names the command that installs it, with the same requirement as the documents."""
    if find_spec(SCHEMES[name].package) is not None:
        pytest.skip("it is installed")
    with pytest.raises(LoadError, match=r"needs the package \w+: ") as caught:
        transformers_config(name, torch.float32, CPU)

    command = shlex.split(str(caught.value).partition(": ")[2])
    assert command[:-1] == [sys.executable, "-m", "pip", "install"]
    assert f"| `pip install '{command[-1]}'` |" in OPERATIONS.read_text("utf-8")


def test_unknown_scheme_raises_load_error() -> None:
    """The error lists the known schemes."""
    with pytest.raises(
        LoadError, match="STARCHAT_QUANTIZATION must be one of int8, fp8, nf4, not int3"
    ):
        transformers_config("int3", torch.float32, CPU)


def test_fp8_is_refused_without_float8_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU, and on a GPU before Ada and Hopper; the line names what works there."""
    needs_gpu = r"needs a GPU of compute capability 8\.9 or newer, not cpu: use int8 or nf4"
    with pytest.raises(LoadError, match=needs_gpu):
        load_taught_model("fp8")
    gpu = torch.device("cuda", 0)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _: (8, 6))
    with pytest.raises(LoadError, match="not cuda:0: use int8 or nf4"):
        check_fp8(torch.bfloat16, gpu)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _: (9, 0))
    check_fp8(torch.bfloat16, gpu)
    with pytest.raises(LoadError, match="needs STARCHAT_DTYPE=bfloat16, not float16"):
        check_fp8(torch.float16, gpu)


def test_no_scheme_means_no_quantization() -> None:
    """The weights keep their dtype."""
    assert transformers_config(None, torch.float32, CPU) is None


def run_taught_model(model: LoadedModel) -> list[int]:
    """Return a reply of a model that has memorized a few answers."""
    engine = EngineCore(
        model.network, model.kv_cache, vocab_size=model.info.vocab_size, max_step_tokens=64
    )
    reply = run_requests(engine, [Request("a", tuple(range(30, 60)), GREEDY_SAMPLING)])["a"]
    assert reply.failure is None
    return reply.ids


@requires_package("nf4")
def test_nf4_model_answers_like_the_plain_one() -> None:
    """On the engine's attention backend, which was verified at load time."""
    small = load_taught_model("nf4")
    ids = torch.arange(30, 60)[None]
    with torch.inference_mode():
        said = [
            AutoModelForCausalLM.from_pretrained(
                memorizing_checkpoint(),
                quantization_config=transformers_config(kind, torch.float32, CPU),
            )(ids).logits
            for kind in (None, "nf4")
        ]
    assert (said[0] - said[1]).abs().mean() < 2.0
    assert small.info.dtype == "nf4"
    assert run_taught_model(small)


@pytest.mark.skipif(not has_fbgemm(), reason="needs FBGEMM")
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
def test_int8_model_on_a_cpu_gives_the_plain_reply() -> None:
    """Without a package: torch's own operators."""
    small = load_taught_model("int8")

    assert small.info.dtype == "int8"
    assert "packed in int8" in small.packing
    assert run_taught_model(small) == run_taught_model(load_taught_model(None))


def test_int8_without_fbgemm_raises_load_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of 16 bits would fill the memory that the operator wanted to save."""
    monkeypatch.setattr(cpu_linear, "FBGEMM", "none")

    with pytest.raises(LoadError, match=r"^STARCHAT_QUANTIZATION=int8 on a CPU needs FBGEMM, "):
        load_taught_model("int8")
