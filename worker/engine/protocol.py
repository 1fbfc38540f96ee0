"""
The lines between the parent and its child: one JSON object a line, told apart by its first key.

To the child: the options, then `{"start": …}`, `{"stop": id}` and `{"forget": scope}`. From the
child: `{"loading": …}` until `{"ready": …}` or `{"unloadable": line}`; then `{"refused": id,
"why": …}` and one `{"step": n, …}` for every step, which also shows the parent that the child is
alive.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from worker.engine import ModelInfo, Request, SamplingParams


def encode_message(message: dict[str, Any]) -> bytes:
    """Return a message as one line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode_message(line: bytes | str) -> dict[str, Any]:
    """Read one line. Raises `ValueError` for anything but a JSON object."""
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("not a message")  # noqa: TRY004 - one error for every wrong line
    return message


def dump_request(request: Request) -> dict[str, Any]:
    """Return a request as it is sent."""
    return asdict(request)


def load_request(fields: dict[str, Any]) -> Request:
    """Read what `request_to` wrote."""
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
    """Return a model's description as it is sent."""
    return {**asdict(model), "directory": str(model.directory)}


def load_model_info(fields: dict[str, Any]) -> ModelInfo:
    """Read what `model_to` wrote."""
    return ModelInfo(
        **{**fields, "directory": Path(fields["directory"]), "eos_ids": tuple(fields["eos_ids"])},
    )
