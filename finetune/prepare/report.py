"""Report of a preparation: what was read, left out, changed and written. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, NamedTuple

from finetune.dialogue_files import SPLITS, DialogueRecord, Split
from finetune.prepare.languages import guess_language, list_code_languages

PERCENTILES: Final = {"Shortest": 0, "Median": 50, "90 %": 90, "99 %": 99, "Longest": 100}


class InputFile(NamedTuple):
    """A file that was read."""

    name: str
    sha256: str
    lines: int


@dataclass
class SplitFigures:
    """Sizes of the dialogues of a split."""

    threads: set[str] = field(default_factory=set)
    tokens: list[int] = field(default_factory=list)
    learned_tokens: int = 0
    answers: int = 0

    def add_record(self, record: DialogueRecord) -> None:
        """Count a dialogue."""
        self.threads.add(record.thread)
        self.tokens.append(len(record.ids))
        self.answers += len(record.learned)
        self.learned_tokens += sum(end - start for start, end in record.learned)


@dataclass
class PreparationReport:
    """Counts of a preparation; the data card shows them."""

    files: list[InputFile] = field(default_factory=list)
    read: Counter[str] = field(default_factory=Counter)
    """Dialogues that were written, by their form."""
    left_out: Counter[str] = field(default_factory=Counter)
    phrases: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    code_languages: Counter[str] = field(default_factory=Counter)
    splits: dict[Split, SplitFigures] = field(
        default_factory=lambda: {split: SplitFigures() for split in SPLITS}
    )
    secrets: int = 0
    dialogues_with_secrets: int = 0
    shortened: int = 0
    delete_after: date | None = None

    def add_secrets(self, count: int) -> None:
        """Count the secrets of a dialogue."""
        self.secrets += count
        self.dialogues_with_secrets += count > 0

    def add_record(self, split: Split, record: DialogueRecord) -> None:
        """Count a dialogue that is written."""
        self.read[record.provenance.kind] += 1
        self.splits[split].add_record(record)
        text = "\n".join(message.content for message in record.messages)
        self.languages[guess_language(text)] += 1
        self.code_languages.update(list_code_languages(text))
        ends = [day for day in (self.delete_after, record.provenance.delete_after) if day]
        self.delete_after = min(ends, default=None)

    @property
    def dialogue_count(self) -> int:
        """Number of dialogues that are written."""
        return self.read.total()


def list_percentiles(values: Sequence[int]) -> list[int]:
    """Return `PERCENTILES` of values, zeros if there are none."""
    ordered = sorted(values) or [0]
    return [ordered[(len(ordered) - 1) * percent // 100] for percent in PERCENTILES.values()]
