"""Data set and batches: ids, and labels that leave out what is not learned."""

from collections.abc import Sequence
from typing import Final

import torch
from torch.utils.data import Dataset

from finetune.dialogue_files import DialogueRecord

IGNORED_LABEL: Final = -100
"""Label of a token without a loss, in torch and transformers."""
PADDING_ID: Final = 0


class DialogueDataset(Dataset[DialogueRecord]):
    """Prepared dialogues by their index."""

    def __init__(self, records: Sequence[DialogueRecord]) -> None:
        """Serve these records."""
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> DialogueRecord:
        return self._records[index]


def build_labels(record: DialogueRecord) -> list[int]:
    """Return the ids of what is learned, and `IGNORED_LABEL` elsewhere."""
    labels = [IGNORED_LABEL] * len(record.ids)
    for start, end in record.learned:
        labels[start:end] = record.ids[start:end]
    return labels


def collate_batch(records: Sequence[DialogueRecord]) -> dict[str, torch.Tensor]:
    """Return a batch, padded on the right to its longest dialogue."""
    width = max(len(record.ids) for record in records)

    def pad_rows(rows: Sequence[Sequence[int]], filler: int) -> torch.Tensor:
        return torch.tensor([[*row, *[filler] * (width - len(row))] for row in rows])

    return {
        "input_ids": pad_rows([record.ids for record in records], PADDING_ID),
        "attention_mask": pad_rows([[1] * len(record.ids) for record in records], 0),
        "labels": pad_rows([build_labels(record) for record in records], IGNORED_LABEL),
    }
