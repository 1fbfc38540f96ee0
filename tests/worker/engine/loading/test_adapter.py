"""LoRA adapters: merged weights equal the unmerged ones; a bad adapter has one error line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from testing.adapters import write_adapter
from testing.checkpoints import tiny_bigcode, tiny_llama
from testing.in_process_engine import GREEDY_SAMPLING, reference_greedy, run_requests
from worker.engine import LoadError, Request
from worker.engine.core.engine_core import EngineCore
from worker.engine.loading.adapter import find_adapter
from worker.engine.loading.cpu_linear import has_fbgemm
from worker.engine.loading.loader import LoadedModel, load_model
from worker.engine.protocol import EngineConfig

PROMPTS = [(1, 2, 3), (7, 5, 7, 5), (40, 41)]


@pytest.fixture(scope="module")
def saved_adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that no test changes."""
    return write_adapter(tmp_path_factory.mktemp("adapter"), tiny_bigcode())


@pytest.fixture
def adapter(saved_adapter: Path, tmp_path: Path) -> Path:
    """An adapter that a test may break."""
    return shutil.copytree(saved_adapter, tmp_path / "tuned")


def load_adapter(directory: Path, **options: Any) -> LoadedModel:
    """Load an adapter and its base with few slots."""
    config = EngineConfig(model=str(directory), slots=4, **options)
    return load_model(directory, config, lambda _stage, _done: None, find_adapter(directory))


@pytest.mark.parametrize(
    "options",
    [{}, {"use_rslora": True}, {"rank_pattern": {"c_fc": 2}, "alpha_pattern": {"c_fc": 9}}],
)
def test_merged_adapter_answers_like_the_unmerged_one(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    """Greedy replies in float32 equal those of peft, and differ from those of the base model."""
    adapter = write_adapter(tmp_path / "tuned", tiny_bigcode(), **options)
    loaded = load_adapter(adapter)
    base = AutoModelForCausalLM.from_pretrained(tiny_bigcode())
    requests = [Request(str(n), prompt, GREEDY_SAMPLING) for n, prompt in enumerate(PROMPTS)]
    without = [reference_greedy(base, request) for request in requests]
    unmerged = PeftModel.from_pretrained(base, adapter)

    replies = run_requests(
        EngineCore(loaded.network, loaded.kv_cache, vocab_size=448, max_step_tokens=64), requests
    )

    answers = [replies[request.id].ids for request in requests]
    assert answers == [reference_greedy(unmerged, request) for request in requests]
    assert answers != without


def test_adapter_is_named_and_its_base_has_the_tokenizer(adapter: Path) -> None:
    """Readers see the adapter's name; the parent reads the tokenizer of the base model."""
    about = load_adapter(adapter).info

    assert (about.name, about.directory) == ("tuned", tiny_bigcode())


@pytest.mark.skipif(not has_fbgemm(), reason="needs FBGEMM")
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
def test_adapter_is_packed_in_int8(adapter: Path) -> None:
    """On a CPU the sum is rounded, not its parts."""
    assert load_adapter(adapter, quantization="int8").info.dtype == "int8"


def test_adapter_is_not_merged_into_quantized_weights(adapter: Path) -> None:
    """Weights are rounded while they are read: a sum would be rounded twice."""
    with pytest.raises(LoadError, match="STARCHAT_QUANTIZATION=nf4: merge and save it first"):
        load_adapter(adapter, quantization="nf4")


def _change_config(**fields: object) -> Callable[[Path], None]:
    def damage(directory: Path) -> None:
        file = directory / "adapter_config.json"
        file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | fields), "utf-8")

    return damage


def _change_weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def damage(directory: Path) -> None:
        file = directory / "adapter_model.safetensors"
        weights = load_file(file)
        change(weights)
        save_file(weights, file)

    return damage


def _write_pickle(directory: Path) -> None:
    weights = directory / "adapter_model.safetensors"
    weights.rename(directory / "adapter_model.bin")


def _take_foreign_tokenizer(directory: Path) -> None:
    file = directory / "tokenizer.json"
    tokenizer = json.loads(file.read_text("utf-8"))
    tokenizer["added_tokens"].append({**tokenizer["added_tokens"][0], "content": "x", "id": 999})
    file.write_text(json.dumps(tokenizer), "utf-8")


def _halve_layer(weights: dict[str, torch.Tensor]) -> None:
    name = next(name for name in weights if "lora_A" in name)
    weights[name] = weights[name][:, :8].clone()


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (_write_pickle, "has no adapter_model.safetensors"),
        (_take_foreign_tokenizer, "the tokenizers of .* differ"),
        (_change_config(use_dora=True), "no LoRA adapter that can be merged: use_dora"),
        (_change_config(modules_to_save=["lm_head"]), "merged: modules_to_save"),
        (_change_config(init_lora_weights="pissa"), "merged: init_lora_weights"),
        (
            _change_config(use_bdlora={"a": 1}, layer_replication=[[0, 2]]),
            "merged: layer_.*, use_bd",
        ),
        (_change_config(from_a_later_version=True), "merged: from_a_later_version"),
        (_change_config(peft_type="IA3", bias="all"), "merged: bias, peft_type"),
        (_change_config(base_model_name_or_path="/nowhere"), "there is no directory /nowhere"),
        (lambda path: (path / "adapter_config.json").write_text("{"), "merged: its JSON"),
        (_change_weights(_halve_layer), r"can't be merged into .* \(RuntimeError\)"),
        (_change_weights(dict.clear), "can't be merged into"),
        (_change_weights(lambda weights: weights.popitem()), "has no place for"),
        (
            _change_weights(lambda weights: next(iter(weights.values())).fill_(torch.inf)),
            r"can't be merged into .* \(ValueError\)",
        ),
    ],
)
def test_bad_adapter_raises_load_error(
    adapter: Path, damage: Callable[[Path], None], line: str
) -> None:
    """The operator reads one line."""
    damage(adapter)

    with pytest.raises(LoadError, match=line) as caught:
        load_adapter(adapter)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_adapter_on_a_tied_layer_raises_load_error(tmp_path: Path) -> None:
    """The sum would also change the input embedding."""
    adapter = write_adapter(tmp_path / "tuned", tiny_bigcode(), ["c_attn", "lm_head"])

    with pytest.raises(LoadError, match="changes lm_head, whose weights another layer shares"):
        load_adapter(adapter)


def test_adapter_of_another_architecture_raises_load_error(tmp_path: Path) -> None:
    """Its layers have other names."""
    adapter = write_adapter(tmp_path / "tuned", tiny_bigcode())
    (adapter / "tokenizer.json").unlink()
    _change_config(base_model_name_or_path=str(tiny_llama()))(adapter)

    with pytest.raises(LoadError, match="can't be merged into"):
        load_adapter(adapter)


def test_adapter_of_an_adapter_raises_load_error(adapter: Path, saved_adapter: Path) -> None:
    """Only a complete model is a base."""
    _change_config(base_model_name_or_path=str(saved_adapter))(adapter)

    with pytest.raises(LoadError, match="is an adapter too"):
        load_adapter(adapter)


def test_model_directory_is_no_adapter() -> None:
    """A directory with config.json is loaded as it is."""
    assert find_adapter(tiny_bigcode()) is None
