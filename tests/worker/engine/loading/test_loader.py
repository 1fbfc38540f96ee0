"""Model loader: the loaded parts, and the one error line for the operator."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    Gemma2Config,
    MambaConfig,
    PretrainedConfig,
)

from testing.checkpoints import tiny_bigcode, tiny_llama
from testing.in_process_engine import GREEDY_SAMPLING, run_requests
from testing.tokenizers import write_small_tokenizer
from worker.engine import LoadError, Request
from worker.engine.core.engine_core import EngineCore
from worker.engine.loading.cpu_linear import has_fbgemm
from worker.engine.loading.loader import LoadedModel, load_model
from worker.engine.loading.weights import check_placement
from worker.engine.protocol import EngineConfig

ProgressLog = list[tuple[str, float]]


def load_directory(directory: Path, **options: Any) -> LoadedModel:
    """Load a directory with few slots."""
    return load_model(
        directory, EngineConfig(model=str(directory), slots=2, **options), _ignore_progress
    )


def _ignore_progress(_stage: str, _done: float) -> None:
    pass


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A tiny checkpoint that a test may break."""
    return shutil.copytree(tiny_bigcode(), tmp_path / "model")


def test_model_info_describes_the_checkpoint(checkpoint: Path) -> None:
    """The parent receives context length, vocabulary, stop ids, device and dtype."""
    about = load_directory(checkpoint).info

    assert about.directory == checkpoint
    assert (about.max_positions, about.vocab_size, about.eos_ids) == (256, 448, (0,))
    assert (about.device, about.dtype, about.slots) == ("cpu", "float32", 2)


def test_offloaded_weights_raise_load_error(tmp_path: Path) -> None:
    """If accelerate offloads weights to disk, the error says that they do not fit."""
    offloaded = AutoModelForCausalLM.from_pretrained(
        tiny_bigcode(),
        device_map="auto",
        max_memory={"cpu": 100_000},
        offload_folder=tmp_path,
    )
    with pytest.raises(LoadError, match="don't fit in the free memory of cpu"):
        check_placement(offloaded, torch.device("cpu"))


@pytest.mark.parametrize(("named", "eos"), [([5, 0], (5, 0)), (7, (7,))])
def test_stop_ids_come_from_the_checkpoint(
    checkpoint: Path, named: object, eos: tuple[int, ...]
) -> None:
    """`eos_token_id` is one id or a list."""
    (checkpoint / "generation_config.json").write_text(json.dumps({"eos_token_id": named}), "utf-8")

    assert load_directory(checkpoint).info.eos_ids == eos


def test_checkpoint_without_stop_id_is_loaded(checkpoint: Path) -> None:
    """Only the caller's stop ids end a reply then."""
    (checkpoint / "generation_config.json").unlink()
    config = json.loads((checkpoint / "config.json").read_text("utf-8"))
    (checkpoint / "config.json").write_text(json.dumps(config | {"eos_token_id": None}), "utf-8")

    assert load_directory(checkpoint).info.eos_ids == ()


@pytest.mark.skipif(not has_fbgemm(), reason="needs FBGEMM")
def test_float16_on_a_cpu_computes_in_float32(checkpoint: Path) -> None:
    """Weights of 16 bits, a KV cache of float32, and a line for the log."""
    model = load_directory(checkpoint, dtype="float16")

    assert model.info.dtype == "float16"
    assert model.kv_cache.layer_view(0).dtype == torch.float32
    assert re.match(r"\d+ linear layers are packed in float16; the CPU ", model.packing)
    positions = [table for name, table in model.network.named_parameters() if "wpe" in name]
    assert [table.dtype for table in positions] == [torch.float16]


def test_bfloat16_applies_to_weights_and_kv_cache(checkpoint: Path) -> None:
    """Weights and KV cache have dtype bfloat16."""
    model = load_directory(checkpoint, dtype="bfloat16")

    replies = run_requests(
        EngineCore(model.network, model.kv_cache, vocab_size=448, max_step_tokens=64),
        [Request("a", (1, 2, 3), GREEDY_SAMPLING)],
    )

    assert model.info.dtype == "bfloat16"
    assert model.kv_cache.layer_view(0).dtype == torch.bfloat16
    assert len(replies["a"].ids) == 24


def test_context_length_can_be_shortened(checkpoint: Path) -> None:
    """The context length can be shortened, not extended."""
    assert load_directory(checkpoint, max_positions=100).info.max_positions == 100
    assert load_directory(checkpoint, max_positions=9999).info.max_positions == 256


def _replace_file(name: str, text: str | None) -> Callable[[Path], None]:
    def damage(directory: Path) -> None:
        (directory / name).unlink()
        if text is not None:
            (directory / name).write_text(text, "utf-8")

    return damage


def _replace_config(fields: dict[str, object]) -> Callable[[Path], None]:
    return _replace_file("config.json", json.dumps(fields))


def _add_huge_file(directory: Path) -> None:
    (directory / "model.safetensors").unlink()
    with (directory / "more.safetensors").open("wb") as file:
        file.truncate(2**42)


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (_replace_file("config.json", None), "no readable config.json"),
        (_replace_file("config.json", "{"), "config.json"),
        (_replace_file("model.safetensors", None), "no weights in safetensors format"),
        (_replace_file("model.safetensors", "not weights"), "transformers can't load"),
        (_replace_file("tokenizer.json", None), "no tokenizer.json"),
        (
            _replace_config({"model_type": "gpt_bigcode", "n_positions": "many"}),
            "rejects config.json",
        ),
        (_replace_config({"model_type": "nonesuch"}), "'nonesuch' is unknown to transformers"),
        (_replace_config({"model_type": "own", "auto_map": {}}), "needs code from the checkpoint"),
        (_add_huge_file, "GB are free on cpu$"),
    ],
)
def test_invalid_checkpoint_raises_load_error(
    checkpoint: Path, damage: Callable[[Path], None], line: str
) -> None:
    """The error is one line that names the defect."""
    damage(checkpoint)

    with pytest.raises(LoadError, match=line) as caught:
        load_directory(checkpoint)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"device": "cuda:7"}, "there is no device cuda:7"),
        ({"device": "abacus"}, "device must be"),
        ({"device": "meta"}, "device must be"),
        ({"dtype": "int8"}, "dtype must be"),
        ({"dtype": "float64"}, "dtype must be"),
        ({"kv_cache_bytes": 1000}, "KV cache"),
    ],
)
def test_invalid_option_raises_load_error(
    checkpoint: Path, options: dict[str, object], line: str
) -> None:
    """The error names the option and its valid values."""
    with pytest.raises(LoadError, match=line):
        load_directory(checkpoint, **options)


@pytest.mark.parametrize(
    ("field", "value"),
    [("layer_types", ["full_attention", "chunked_attention"]), ("is_causal", False)],
)
def test_unsupported_attention_raises_load_error(tmp_path: Path, field: str, value: object) -> None:
    """Unsupported attention layers are rejected even in a supported architecture."""
    directory = shutil.copytree(tiny_llama(), tmp_path / "model")
    config = json.loads((directory / "config.json").read_text("utf-8"))
    (directory / "config.json").write_text(json.dumps(config | {field: value}), "utf-8")

    with pytest.raises(LoadError, match="does not support"):
        load_directory(directory)


@pytest.mark.parametrize(
    "config",
    [
        BloomConfig(vocab_size=448, hidden_size=32, n_layer=2, n_head=2),
        Gemma2Config(
            vocab_size=448,
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=16,
        ),
        MambaConfig(vocab_size=448, hidden_size=32, num_hidden_layers=2, state_size=4),
    ],
    ids=["bias by distance", "soft cap", "no attention"],
)
def test_unsupported_architecture_raises_load_error(
    tmp_path: Path, config: PretrainedConfig
) -> None:
    """An architecture with another kind of cache is rejected, since its output would be wrong."""
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    write_small_tokenizer(tmp_path)

    with pytest.raises(LoadError):
        load_directory(tmp_path)
