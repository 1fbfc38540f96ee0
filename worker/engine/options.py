"""What the child is told at its start: which model, on what, with how much room; torch-free."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

DEFAULT_MODEL: Final = "HuggingFaceH4/starchat-beta"


def gguf_cache_directory() -> Path:
    """Where converted checkpoints are kept unless the options say otherwise."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "starchat"


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """
    How to load and serve one model. `None` means: choose what suits the device.

    `model` is a hub id, a checkpoint directory or a `.gguf` file; `device` and `dtype` may be
    `auto`; `quantize` is `int8`, `nf4` or nothing. `positions` shortens the model's own longest
    prompt plus reply. `cache_bytes` bounds the keys and values of all slots, `shelf_bytes` those
    that were moved out of slots into the host's memory. `chunk` is the number of tokens in one
    step. `threads` are the CPU threads of the step. `drafted` is the most tokens that are drafted
    for a request in a step. With `graphs` a GPU repeats recorded steps, with `compiled` it records
    compiled ones. `converted` is the directory that keeps converted `.gguf` files.
    """

    model: str = DEFAULT_MODEL
    revision: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    quantization: str | None = None
    slots: int | None = None
    max_positions: int | None = None
    kv_cache_bytes: int | None = None
    host_cache_bytes: int | None = None
    max_step_tokens: int | None = None
    threads: int | None = None
    num_speculative_tokens: int = 0
    cuda_graphs: bool = True
    compile_layers: bool = False
    gguf_cache: str | None = None

    def to_json(self) -> str:
        """Return the options as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Self:
        """Read what `encode` wrote."""
        return cls(**json.loads(line))
