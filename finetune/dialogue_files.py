"""Prepared dialogues on disk: one JSON object a line for each split, and a manifest."""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError, model_validator

from finetune.errors import FinetuneError

Split = Literal["train", "validation"]
SPLITS: Final[tuple[Split, ...]] = ("train", "validation")
MANIFEST_NAME: Final = "manifest.json"


class Provenance(BaseModel):
    """
    Where a dialogue comes from.

    `model` and `revision` generated a reply that people voted on. `delete_after` is the last day on
    which a dialogue from votes may be kept.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["votes", "messages", "text"]
    file: str = ""
    line: int = 0
    model: str = ""
    revision: str = ""
    approvals: int = 0
    rejections: int = 0
    delete_after: date | None = None


class RoleMessage(BaseModel):
    """A message as people read it, for evaluation and for a look at the data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Literal["system", "user", "assistant"]
    content: str


class DialogueRecord(BaseModel):
    """
    A dialogue that is ready for training.

    `thread` is a hash. `learned` are ranges of `ids`, the end excluded: only these have a loss.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    thread: str
    messages: tuple[RoleMessage, ...]
    ids: tuple[NonNegativeInt, ...]
    learned: tuple[tuple[NonNegativeInt, NonNegativeInt], ...]
    provenance: Provenance

    @model_validator(mode="after")
    def _check_ranges(self) -> Self:
        bounds = [bound for span in self.learned for bound in span]
        is_rising = all(first < second for first, second in pairwise(bounds))
        if not bounds or not is_rising or bounds[-1] > len(self.ids):
            raise ValueError("no range, or ranges out of order")
        return self


class Manifest(BaseModel):
    """Facts about prepared data that the training checks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokenizer_sha256: str
    max_tokens: int
    dialogues: dict[Split, int]
    delete_after: date | None


def hash_tokenizer(directory: Path) -> str:
    """Return the hash of a checkpoint's tokenizer. Raises `FinetuneError`."""
    try:
        return hashlib.sha256((directory / "tokenizer.json").read_bytes()).hexdigest()
    except OSError as error:
        raise FinetuneError(f"{directory} has no readable tokenizer.json: {error}") from error


def write_records(file: Path, records: Iterable[DialogueRecord]) -> None:
    """Write one JSON object a line."""
    with file.open("w", encoding="utf-8") as output:
        output.writelines(f"{record.model_dump_json()}\n" for record in records)


def read_records(directory: Path, split: Split) -> Iterator[DialogueRecord]:
    """Yield the dialogues of a split. Raises `FinetuneError`."""
    file = directory / f"{split}.jsonl"
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                yield _parse_record(line, f"{file}:{number}")
    except OSError as error:
        raise FinetuneError(f"{file} cannot be read: {error.strerror}") from error


def _parse_record(line: bytes, place: str) -> DialogueRecord:
    try:
        return DialogueRecord.model_validate_json(line)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise FinetuneError(f"{place} is no prepared dialogue: {reason}") from error


def read_manifest(directory: Path) -> Manifest:
    """Return the manifest of prepared data. Raises `FinetuneError`."""
    file = directory / MANIFEST_NAME
    try:
        return Manifest.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise FinetuneError(
            f"{directory} holds no prepared data (no valid {MANIFEST_NAME}); "
            "`python -m finetune prepare` writes it"
        ) from error
