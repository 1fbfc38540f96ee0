"""
LoRA adapters: a directory with low-rank changes to a base model, as peft writes it. Torch-free.

`STARCHAT_MODEL` may name such a directory. The base model is found by the adapter's configuration.
LoRA: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from worker.engine import LoadError
from worker.engine.loading.checkpoint import HUB_FILE_PATTERNS, find_directory

CONFIG_FILE: Final = "adapter_config.json"
WEIGHTS_FILE: Final = "adapter_model.safetensors"
MAX_RANK: Final = 1024
IGNORED_FIELDS: Final = frozenset(
    {
        "auto_mapping",
        "corda_config",
        "eva_config",
        "exclude_modules",
        "inference_mode",
        "layers_pattern",
        "layers_to_transform",
        "loftq_config",
        "lora_dropout",
        "megatron_core",
        "peft_version",
        "qalora_group_size",
        "runtime_config",
        "target_modules",
        "task_type",
    }
)
"""Fields of training, and those that the names of the adapter's weights repeat."""


class AdapterConfig(BaseModel):
    """
    The fields of `adapter_config.json` that change the merged weights.

    Fields of training, and those that the weights' names repeat, are ignored. Any other field must
    be off: it might change the weights in a way that is not merged here. Some initial values
    (PiSSA, OLoRA) change the base model too.
    """

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    base_model_name_or_path: str = Field(min_length=1)
    revision: str | None = None
    peft_type: Literal["LORA"]
    rank: int = Field(alias="r", ge=1, le=MAX_RANK)
    alpha: float = Field(alias="lora_alpha", ge=0)
    use_rslora: bool = False
    fan_in_fan_out: bool = False
    rank_pattern: dict[str, int] = {}
    alpha_pattern: dict[str, float] = {}
    bias: Literal["none"] = "none"
    init_lora_weights: bool | Literal["gaussian", "orthogonal", "eva"] = True

    def find_unknown(self) -> list[str]:
        """Return the other fields that are neither off nor without a meaning here."""
        extra = self.model_extra or {}
        return sorted(name for name, value in extra.items() if value and name not in IGNORED_FIELDS)


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter's directory, its configuration, and the checkpoint directory of its base model."""

    directory: Path
    config: AdapterConfig
    base: Path


def is_adapter(checkpoint: Path) -> bool:
    """Return whether a checkpoint directory holds an adapter instead of a model."""
    return (checkpoint / CONFIG_FILE).is_file() and not (checkpoint / "config.json").is_file()


def find_adapter(
    checkpoint: Path, on_download: Callable[[], object] = lambda: None
) -> Adapter | None:
    """
    Return the adapter in a checkpoint directory; `None` if the directory holds a model.

    Blocks while the base model downloads. Raises `LoadError` if the adapter or its base is missing,
    or if the two don't share a tokenizer.
    """
    if not is_adapter(checkpoint):
        return None
    config = _read_config(checkpoint)
    if not (checkpoint / WEIGHTS_FILE).is_file():
        raise LoadError(f"{checkpoint} has no {WEIGHTS_FILE}")
    name = config.base_model_name_or_path
    base = find_directory(name, config.revision, HUB_FILE_PATTERNS, on_download)
    if is_adapter(base):
        raise LoadError(f"the base model of {checkpoint} is an adapter too")
    if (checkpoint / "tokenizer.json").is_file() and not share_tokenizer(checkpoint, base):
        raise LoadError(f"the tokenizers of {checkpoint} and its base model {base} differ")
    return Adapter(checkpoint, config, base)


def _read_config(directory: Path) -> AdapterConfig:
    file = directory / CONFIG_FILE
    try:
        config = AdapterConfig.model_validate_json(file.read_bytes())
        fields = config.find_unknown()
    except OSError:
        raise LoadError(f"{file} can't be read") from None
    except ValidationError as error:
        fields = sorted({str(problem["loc"][0]) for problem in error.errors() if problem["loc"]})
        fields = fields or ["its JSON"]
    if fields:
        raise LoadError(f"{file} is no LoRA adapter that can be merged: {', '.join(fields)}")
    return config


def share_tokenizer(*directories: Path) -> bool:
    """Return whether the tokenizers of checkpoint directories have the same token ids."""
    if len(set(directories)) == 1:
        return True
    try:
        first, *others = map(_read_token_ids, directories)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return all(token_ids == first for token_ids in others)


def _read_token_ids(directory: Path) -> tuple[Any, list[tuple[str, int]]]:
    tokenizer = json.loads((directory / "tokenizer.json").read_text("utf-8"))
    added = [(str(token["content"]), int(token["id"])) for token in tokenizer["added_tokens"]]
    return tokenizer["model"]["vocab"], sorted(added)
