"""Configurations of accelerate for eight GPUs: as far as they can be checked without one."""

from pathlib import Path
from typing import Final

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils.launch import prepare_multi_gpu_env
from transformers import GPTBigCodePreTrainedModel

from testing.environment import REPOSITORY

DIRECTORY: Final = REPOSITORY / "finetune" / "accelerate"


@pytest.mark.parametrize("file", sorted(DIRECTORY.iterdir()), ids=lambda file: file.stem)
def test_file_is_a_configuration_of_eight_processes(file: Path) -> None:
    """The batch of 256 is the recipe's, so no file sets an accumulation."""
    found = load_config_from_file(str(file)).to_dict()

    assert (found["num_processes"], found["mixed_precision"]) == (8, "bf16")
    accumulation = found.get("deepspeed_config", {}).get("gradient_accumulation_steps", "auto")
    assert accumulation == "auto"


def test_launcher_shards_each_layer_of_starchat() -> None:
    """The launcher reads the file, and wraps the class that StarChat's layers have."""
    file = str(DIRECTORY / "fsdp.yaml")
    parsed = launch_command_parser().parse_args(["--config_file", file, "-m", "finetune"])
    parsed, _, _ = _validate_launch_command(parsed)

    environment = prepare_multi_gpu_env(parsed)

    assert environment["ACCELERATE_USE_FSDP"] == "true"
    assert environment["FSDP_VERSION"] == "2"
    wrapped = environment["FSDP_TRANSFORMER_CLS_TO_WRAP"]
    assert {wrapped} == set(GPTBigCodePreTrainedModel._no_split_modules)
