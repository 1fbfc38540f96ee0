"""One pass of the model over a step's tokens: as they come, or over a recorded shape that fits."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from worker.engine.attention.batch import Chunk, Packed
from worker.engine.attention.flash_varlen import Varlen
from worker.engine.attention.kv_cache import Slots
from worker.engine.core.request_state import Work
from worker.engine.loading.spared import spared, wanting

Recorded = Callable[[Sequence[Work]], Tensor | None]
"""Returns what `Forward` does, or `None` where it has no shape for the step."""

CALL: Final[dict[str, Any]] = {"use_cache": False}
"""What every call of the model is told: what it is to remember lies in the slots."""


class Forward:
    """The model over its slots. `recorded` takes the steps that it can take, `varlen` chunks."""

    def __init__(self, model: nn.Module, slots: Slots) -> None:
        self.recorded: Recorded | None = None
        self.varlen: Varlen | None = None
        self._model = model
        self._spared = spared(model)
        self._slots = slots
        self._device = slots.layers[0].device

    def __call__(self, step: Sequence[Work]) -> Tensor:
        """Return the logits `[choices of the works, vocabulary]`, in the order of the step."""
        found = None if self.recorded is None else self.recorded(step)
        return self.plain(step) if found is None else found

    def plain(self, step: Sequence[Work]) -> Tensor:
        """Return the same, whatever is recorded."""
        ids: list[int] = []
        positions: list[int] = []
        rows: list[int] = []
        growing, chunks = [], []
        for work in step:
            fed = work.ids
            if len(fed) == 1 and work.complete:
                growing.append(work)
            else:
                chunks.append(Chunk(work.live.slot, work.start, len(fed), len(ids)))
            ids += fed
            positions += range(work.start, work.start + len(fed))
            rows += range(len(ids) - work.choices, len(ids))
        packed = Packed(
            self._slots,
            [work.live.slot for work in growing],
            [work.start for work in growing],
            chunks,
            self.varlen,
        )
        kept = torch.tensor(rows, dtype=torch.long, device=self._device)
        with wanting(self._spared, kept if len(rows) < len(ids) else None):
            found = self._model(
                input_ids=self._row(ids),
                position_ids=self._row(positions),
                logits_to_keep=kept,
                packed=packed,
                **CALL,
            )
        logits: Tensor = found.logits[0]
        return logits

    def _row(self, numbers: list[int]) -> Tensor:
        return torch.tensor([numbers], dtype=torch.long, device=self._device)
