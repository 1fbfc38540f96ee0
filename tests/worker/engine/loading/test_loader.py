"""Model loader: the loaded parts, and the one error line for the operator."""

import json
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
from tests.worker.engine.loading.gguf_files import write_tiny_gguf
from worker.engine import LoadError, Request
from worker.engine.core.engine_core import EngineCore
from worker.engine.loading.checkpoint import resolve_checkpoint
from worker.engine.loading.loader import LoadedModel, check_placement, load_model
from worker.engine.protocol import EngineConfig, gguf_cache_directory

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


def test_a_checkpoint_says_what_it_is(checkpoint: Path) -> None:
    """The parent learns positions, vocabulary, ends, device and type of the numbers."""
    about = load_directory(checkpoint).info

    assert about.directory == checkpoint
    assert (about.max_positions, about.vocab_size, about.eos_ids) == (256, 448, (0,))
    assert (about.device, about.dtype, about.slots) == ("cpu", "float32", 2)


def test_weights_that_found_no_room_on_the_device_are_refused(tmp_path: Path) -> None:
    """Where accelerate has to leave weights on a disk, the worker says that they do not fit."""
    spilt = AutoModelForCausalLM.from_pretrained(
        tiny_bigcode(),
        device_map="auto",
        max_memory={"cpu": 100_000},
        offload_folder=tmp_path,
    )
    with pytest.raises(LoadError, match="don't fit in the free memory of cpu"):
        check_placement(spilt, torch.device("cpu"))


@pytest.mark.parametrize(("named", "eos"), [([5, 0], (5, 0)), (7, (7,))])
def test_the_ends_of_a_reply_are_those_of_the_checkpoint(
    checkpoint: Path, named: object, eos: tuple[int, ...]
) -> None:
    """One id or several."""
    (checkpoint / "generation_config.json").write_text(json.dumps({"eos_token_id": named}), "utf-8")

    assert load_directory(checkpoint).info.eos_ids == eos


def test_a_checkpoint_may_name_no_end(checkpoint: Path) -> None:
    """Then the caller's own stop ids are all there is."""
    (checkpoint / "generation_config.json").unlink()
    config = json.loads((checkpoint / "config.json").read_text("utf-8"))
    (checkpoint / "config.json").write_text(json.dumps(config | {"eos_token_id": None}), "utf-8")

    assert load_directory(checkpoint).info.eos_ids == ()


def test_bfloat16_is_close_to_float32(checkpoint: Path) -> None:
    """The same weights in fewer bits, in the slots too."""
    model = load_directory(checkpoint, dtype="bfloat16")

    replies = run_requests(
        EngineCore(model.network, model.kv_cache, vocab_size=448, max_step_tokens=64),
        [Request("a", (1, 2, 3), GREEDY_SAMPLING)],
    )

    assert model.info.dtype == "bfloat16"
    assert model.kv_cache.layer_view(0).dtype == torch.bfloat16
    assert len(replies["a"].ids) == 24


def test_fewer_positions_may_be_asked_for(checkpoint: Path) -> None:
    """The window can be shortened, not stretched."""
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
        (_add_huge_file, "GB are free on cpu; STARCHAT_QUANTIZATION=int8 or nf4"),
    ],
)
def test_a_checkpoint_that_cannot_be_loaded_is_one_line(
    checkpoint: Path, damage: Callable[[Path], None], line: str
) -> None:
    """The line says what is wrong with it."""
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
def test_options_that_cannot_be_met_are_one_line(
    checkpoint: Path, options: dict[str, object], line: str
) -> None:
    """The line names the option's value and what would do."""
    with pytest.raises(LoadError, match=line):
        load_directory(checkpoint, **options)


@pytest.mark.parametrize(
    ("field", "value"),
    [("layer_types", ["full_attention", "chunked_attention"]), ("is_causal", False)],
)
def test_an_attention_of_another_kind_is_refused(tmp_path: Path, field: str, value: object) -> None:
    """Even in an architecture that is served otherwise."""
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
def test_an_architecture_that_slots_cannot_hold_is_refused(
    tmp_path: Path, config: PretrainedConfig
) -> None:
    """Rather no answer than a wrong one."""
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)  # type: ignore[no-untyped-call]
    write_small_tokenizer(tmp_path)

    with pytest.raises(LoadError):
        load_directory(tmp_path)


def test_a_gguf_file_becomes_a_plain_checkpoint_once(tmp_path: Path) -> None:
    """The second start finds what the first has written, with tokenizer and chat template."""
    file = write_tiny_gguf(tmp_path / "tiny.Q4_1.gguf")
    options = EngineConfig(model=str(file), slots=2, gguf_cache=str(tmp_path / "converted"))
    first: ProgressLog = []
    second: ProgressLog = []

    model = load_model(file, options, lambda *step: first.append(step))
    again = load_model(file, options, lambda *step: second.append(step))

    directory = model.info.directory
    assert again.info == model.info
    assert "converting" in dict(first)
    assert "converting" not in dict(second)
    assert [path.name for path in directory.parent.iterdir()] == [directory.name]
    told = json.loads((directory / "tokenizer_config.json").read_text("utf-8"))
    assert "im_start" in told["chat_template"]
    assert (directory / "tokenizer.json").is_file()
    assert (model.info.max_positions, model.info.eos_ids) == (128, (2,))
    both = [
        run_requests(
            EngineCore(m.network, m.kv_cache, vocab_size=36, max_step_tokens=8),
            [Request("a", (3, 4), GREEDY_SAMPLING)],
        )
        for m in (model, again)
    ]
    assert both[0] == both[1]
    assert both[0]["a"].ids


def test_two_workers_may_convert_one_file_at_once(tmp_path: Path) -> None:
    """The second process uses the file that the first has written."""
    file = write_tiny_gguf(tmp_path / "tiny.gguf")
    options = EngineConfig(model=str(file), slots=2, gguf_cache=str(tmp_path / "converted"))
    others: list[Path] = []

    def overtaken(stage: str, done: float) -> None:
        if (stage, done) == ("converting", 0.7):
            others.append(load_model(file, options, _ignore_progress).info.directory)

    model = load_model(file, options, overtaken)

    assert others == [model.info.directory]
    assert list((tmp_path / "converted").iterdir()) == others


def test_a_file_that_is_no_gguf_is_one_line(tmp_path: Path) -> None:
    """And leaves nothing behind in the cache."""
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"GGUF, or so it says")
    options = EngineConfig(model=str(file), gguf_cache=str(tmp_path / "converted"))

    with pytest.raises(LoadError, match="can't be converted"):
        load_model(file, options, _ignore_progress)
    assert list((tmp_path / "converted").iterdir()) == []


def test_paths_are_found_before_the_hub(tmp_path: Path) -> None:
    """A directory and a file are taken as they are."""
    file = tmp_path / "x.gguf"
    file.touch()

    assert resolve_checkpoint(EngineConfig(model=str(tmp_path)), _ignore_progress) == tmp_path
    assert resolve_checkpoint(EngineConfig(model=str(file)), _ignore_progress) == file


@pytest.mark.parametrize("model", ["./nowhere", "nowhere", "/a/b", "x.gguf", "a/b/c"])
def test_a_path_to_nothing_is_one_line(model: str) -> None:
    """What cannot be a hub id is not looked for there."""
    with pytest.raises(LoadError, match="there is no"):
        resolve_checkpoint(EngineConfig(model=model), _ignore_progress)


def test_a_hub_id_that_was_fetched_before_is_found_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker starts from the hub's cache when the hub is out of reach."""
    hub = tmp_path / "hub"
    snapshot = hub / "models--team--model" / "snapshots" / "abc"
    shutil.copytree(tiny_llama(), snapshot)
    refs = hub / "models--team--model" / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc", "ascii")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    assert resolve_checkpoint(EngineConfig(model="team/model"), _ignore_progress) == snapshot


def test_a_hub_id_out_of_reach_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line names the model and the revision that was asked for."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    with pytest.raises(LoadError, match="team/absent at revision v2"):
        resolve_checkpoint(EngineConfig(model="team/absent", revision="v2"), _ignore_progress)


def test_converted_checkpoints_are_kept_in_the_users_cache(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the options do not say otherwise."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert gguf_cache_directory() == Path("/somewhere/starchat")

    monkeypatch.delenv("XDG_CACHE_HOME")
    assert gguf_cache_directory() == Path.home() / ".cache" / "starchat"
