"""
Wire protocol between the parent and the engine's child process: JSON lines. Torch-free.

The first key of a message names its kind.

To the child: the `EngineConfig` as the first line, then `{"generate": request}`, `{"abort": id}`
and `{"clear_scope": scope}`.

To the parent: `{"loading": stage, "fraction": f}` until `{"ready": model}` or
`{"load_error": line}`. Then `{"refused": id, "reason": line}` and one `{"step": n, …}` for every
step, with new tokens, the GPU time that each of their requests has used, and finished requests. A
step message doubles as the child's heartbeat.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from worker.engine import ModelInfo, Request, SamplingParams

US_PER_SECOND: Final = 1_000_000
"""GPU time crosses the pipe in whole microseconds."""
DEFAULT_MODEL: Final = "HuggingFaceH4/starchat-beta"


def gguf_cache_directory() -> Path:
    """Return the default directory for converted `.gguf` files."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "starchat"


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """
    Settings for loading and serving one model. `None` means: choose what suits the device.

    `model` is a hub id, a checkpoint directory or a `.gguf` file. `device` and `dtype` may be
    `auto`. `quantization` is `int8`, `fp8`, `nf4` or `None`. `max_positions` shortens the model's
    context window. `kv_cache_bytes` bounds the KV cache of all slots, `host_cache_bytes` the prefix
    cache in host memory. `max_step_tokens` bounds one step (prefill, decode and drafts together).
    `threads` are the CPU threads of a step. `num_speculative_tokens` bounds the draft of one
    request in one step; 0 turns speculative decoding off. `cuda_graphs` replays captured steps on
    a GPU; `compile_layers` compiles the layers inside them. `gguf_cache` is the directory for
    converted `.gguf` files. `sandbox` restricts the child with what the kernel offers.
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
    sandbox: bool = True

    def to_json(self) -> str:
        """Return the settings as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Self:
        """Decode the line that `to_json` returned."""
        return cls(**json.loads(line))


def encode_message(message: dict[str, Any]) -> bytes:
    """Return a message as one line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode_message(line: bytes | str) -> dict[str, Any]:
    """Decode one line. Raises `ValueError` if it is not a JSON object."""
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("not a message")  # noqa: TRY004 - one error for every malformed line
    return message


def dump_request(request: Request) -> dict[str, Any]:
    """Return a request as JSON fields."""
    return asdict(request)


def load_request(fields: dict[str, Any]) -> Request:
    """Return the request that `dump_request` encoded."""
    return Request(
        id=fields["id"],
        prompt=tuple(fields["prompt"]),
        sampling=SamplingParams(**fields["sampling"]),
        stop_ids=tuple(fields["stop_ids"]),
        scope=fields["scope"],
        priority=fields["priority"],
        deadline=fields["deadline"],
    )


def dump_model_info(model: ModelInfo) -> dict[str, Any]:
    """Return a model's description as JSON fields."""
    return {**asdict(model), "directory": str(model.directory)}


def load_model_info(fields: dict[str, Any]) -> ModelInfo:
    """Return the description that `dump_model_info` encoded."""
    return ModelInfo(
        **{**fields, "directory": Path(fields["directory"]), "eos_ids": tuple(fields["eos_ids"])},
    )
