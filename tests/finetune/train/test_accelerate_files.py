"""Configurations for GPUs, accelerate's and QLoRA's: as far as they can be checked without one."""

from pathlib import Path
from typing import Any, Final

import pytest
import torch
from accelerate import FullyShardedDataParallelPlugin
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env
from torch.distributed.fsdp import StateDictType
from transformers import GPTBigCodeConfig, GPTBigCodeForCausalLM, GPTBigCodePreTrainedModel

from finetune.train.network import build_quantization, create_empty_network
from finetune.train.recipe import Recipe
from testing.environment import REPOSITORY

DIRECTORY: Final = REPOSITORY / "finetune" / "accelerate"


@pytest.mark.parametrize("file", sorted(DIRECTORY.iterdir()), ids=lambda file: file.stem)
def test_file_is_a_configuration_of_eight_processes(file: Path) -> None:
    """The batch of 256 is the recipe's, so no file sets an accumulation."""
    found = load_config_from_file(str(file)).to_dict()

    assert (found["num_processes"], found["mixed_precision"]) == (8, "bf16")
    accumulation = found.get("deepspeed_config", {}).get("gradient_accumulation_steps", "auto")
    assert accumulation == "auto"


def _launch(file: str) -> Any:
    """Return the launcher's options for a file."""
    path = str(DIRECTORY / file)
    parsed = launch_command_parser().parse_args(["--config_file", path, "-m", "finetune"])
    parsed, defaults, _ = _validate_launch_command(parsed)
    names = ",".join(defaults.deepspeed_config or ())
    parsed.deepspeed_fields_from_accelerate_config = names
    return parsed


def test_launcher_shards_each_layer_of_starchat(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The launcher reads the file, and wraps the class that StarChat's layers have.

    The plugin that each process builds from its environment finds this class in the network.
    """
    environment = prepare_multi_gpu_env(_launch("fsdp.yaml"))

    assert environment["ACCELERATE_USE_FSDP"] == "true"
    assert environment["FSDP_VERSION"] == "2"
    wrapped = environment["FSDP_TRANSFORMER_CLS_TO_WRAP"]
    assert {wrapped} == set(GPTBigCodePreTrainedModel._no_split_modules)

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    plugin = FullyShardedDataParallelPlugin()
    network = _create_small_network()
    plugin.set_auto_wrap_policy(network)
    assert (plugin.fsdp_version, plugin.reshard_after_forward) == (2, True)
    assert plugin.state_dict_type is StateDictType.FULL_STATE_DICT
    found = {
        name
        for name, part in network.named_modules()
        if plugin.auto_wrap_policy(module=part, recurse=False, nonwrapped_numel=0)
    }
    assert found == {"transformer.h.0", "transformer.h.1"}


def test_launcher_reads_the_stage_of_deepspeed() -> None:
    """All is sharded, and the recipe's accumulation counts."""
    _, environment = prepare_deepspeed_cmd_env(_launch("deepspeed.yaml"))

    prefix = "ACCELERATE_DEEPSPEED_"
    found = {name: environment[prefix + name] for name in ("ZERO_STAGE", "ZERO3_SAVE_16BIT_MODEL")}
    assert environment["ACCELERATE_USE_DEEPSPEED"] == "true"
    assert found == {"ZERO_STAGE": "3", "ZERO3_SAVE_16BIT_MODEL": "true"}
    names = environment["ACCELERATE_CONFIG_DS_FIELDS"].split(",")
    assert {"zero_stage", "gradient_accumulation_steps"} <= set(names)


def test_format_of_qlora_is_known_to_transformers() -> None:
    """Its own check passes, also on a machine without bitsandbytes."""
    quantization = build_quantization()

    quantization.post_init()
    assert quantization.quantization_method() == "nf4"
    assert quantization.bnb_4bit_compute_dtype is torch.bfloat16


def test_adapter_of_qlora_covers_each_linear_layer() -> None:
    """But not the last one, as in the memory's estimate."""
    recipe = Recipe(method="qlora")
    network = create_empty_network(_create_small_network().config, recipe)

    adapted = {
        name.split(".")[-2] for name, _ in network.named_modules() if name.endswith("lora_A")
    }
    assert adapted == {"c_attn", "c_proj", "c_fc"}


def _create_small_network() -> GPTBigCodeForCausalLM:
    return GPTBigCodeForCausalLM(GPTBigCodeConfig(n_layer=2, n_embd=8, n_head=2, vocab_size=64))
