"""Checks of prepared data before a training. Pure."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from finetune.dialogue_files import DialogueRecord, Manifest
from finetune.errors import FinetuneError

MIN_STEPS_PER_EPOCH: Final = 2
MIN_VALIDATION_DIALOGUES: Final = 16

Records = Sequence[DialogueRecord]


def check_data(manifest: Manifest, train: Records, validation: Records, today: date) -> None:
    """Raise `FinetuneError` if data may not be used any more, or leak from split to split."""
    if manifest.delete_after is not None and manifest.delete_after < today:
        raise FinetuneError(
            f"the data had to be deleted after {manifest.delete_after}: prepare them again"
        )
    threads = {record.thread for record in train} & {record.thread for record in validation}
    texts = {record.ids for record in train} & {record.ids for record in validation}
    if threads or texts:
        raise FinetuneError(
            f"the splits leak: {len(threads)} threads and {len(texts)} dialogues are in both"
        )


def check_amount(train: Records, validation: Records, total_batch: int) -> None:
    """Raise `FinetuneError` if the data are too few to train on, or to tell the best checkpoint."""
    if len(train) < MIN_STEPS_PER_EPOCH * total_batch:
        raise FinetuneError(
            f"{len(train)} dialogues are too few for two steps of {total_batch} an epoch: "
            "gather more, or choose a smaller --total-batch"
        )
    if len(validation) < MIN_VALIDATION_DIALOGUES:
        raise FinetuneError(
            f"{len(validation)} dialogues are too few for a validation loss "
            f"({MIN_VALIDATION_DIALOGUES} at least): gather more, or prepare with a larger "
            "--validation-share"
        )


def check_vocabulary(train: Records, vocabulary: int, positions: int, model: str) -> None:
    """Raise `FinetuneError` if a dialogue has ids or a length that the model does not know."""
    if max(max(record.ids) for record in train) >= vocabulary:
        raise FinetuneError(f"{model} has no embeddings for the dialogue tokens of its tokenizer")
    longest = max(len(record.ids) for record in train)
    if longest > positions:
        raise FinetuneError(
            f"{model} reads {positions} tokens, and a dialogue has {longest}: "
            "prepare with a smaller --max-tokens"
        )
