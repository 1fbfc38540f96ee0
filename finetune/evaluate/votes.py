"""Votes on the replies of models that were served, from the bot's export. Pure."""

import json
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from finetune.evaluate.metrics import NOTHING, Metric
from finetune.prepare.sources import count_opinions

APPROVING_VOTES: Final = Metric("Share of approving votes", "higher", lambda _: NOTHING)
HUB_PREFIX: Final = "models--"
MAX_LISTED_MODELS: Final = 10


class ModelName(NamedTuple):
    """A model as the details of its replies name it."""

    model: str
    revision: str


ThreadSums = Mapping[ModelName, NDArray[np.float64]]
"""Approving votes and all votes of each thread `[T, 2]`, by model."""


def sum_votes(lines: Iterable[bytes | None]) -> ThreadSums:
    """Sum up the votes in lines of the export; other lines count as none."""
    sums: dict[ModelName, dict[tuple[str, ...], NDArray[np.float64]]] = {}
    for line in lines:
        reply = _parse_reply(line)
        if reply is None:
            continue
        thread = tuple(str(reply.get(name)) for name in ("team", "channel", "thread_ts"))
        name = ModelName(str(reply.get("model")), str(reply.get("revision")))
        approvals, rejections = count_opinions(reply["votes"])
        threads = sums.setdefault(name, {})
        threads.setdefault(thread, np.zeros(2))[:] += (approvals, approvals + rejections)
    return {name: np.array(list(threads.values())) for name, threads in sums.items()}


def find_hub_id(directory: PurePath) -> str | None:
    """Return the id of a model by the path that the Hugging Face hub gives its files."""
    model, snapshots = directory.parent.parent.name, directory.parent.name
    if snapshots != "snapshots" or not model.startswith(HUB_PREFIX):
        return None
    return model.removeprefix(HUB_PREFIX).replace("--", "/", 1)


def list_models(votes: ThreadSums) -> str:
    """Describe the models with votes, the ones with the most first."""
    counts = {name: int(sums[:, 1].sum()) for name, sums in votes.items()}
    ranked = sorted(counts, key=lambda name: (-counts[name], name))[:MAX_LISTED_MODELS]
    # The export may come from anywhere: no sign of it controls the terminal.
    shown = [f"{name.model!a} at {name.revision!a} ({counts[name]} votes)" for name in ranked]
    return ", ".join(shown) or "none"


def _parse_reply(line: bytes | None) -> dict[str, Any] | None:
    try:
        data = json.loads(line or b"")
    except (ValueError, RecursionError):
        return None
    is_reply = isinstance(data, dict) and isinstance(data.get("votes"), list)
    return data if is_reply else None
