"""Pipeline from lines to records: parses, masks, filters, de-duplicates, encodes and splits."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from finetune.dialogue_files import SPLITS, DialogueRecord, Split
from finetune.prepare.deduplication import DuplicateFinder, Novelty
from finetune.prepare.dialogues import Dialogue, UnusableDialogueError, mask_dialogue
from finetune.prepare.encoding import DialogueEncoder, EncodedDialogue
from finetune.prepare.lines import read_lines
from finetune.prepare.phrases import PhraseFinder
from finetune.prepare.report import InputFile, PreparationReport
from finetune.prepare.sources import LineParser
from finetune.prepare.splits import choose_split

MAX_REPORTED_LINES: Final = 20
"""Unusable lines that are printed; all are counted."""


class Preparation:
    """Prepares dialogues one after another, and counts what happens to them."""

    def __init__(
        self,
        parser: LineParser,
        phrases: PhraseFinder,
        duplicates: DuplicateFinder,
        encoder: DialogueEncoder,
        validation_share: float,
    ) -> None:
        """Use these stages, in this order."""
        self._parser = parser
        self._phrases = phrases
        self._duplicates = duplicates
        self._encoder = encoder
        self._validation_share = validation_share
        self._unusable = 0
        self.report = PreparationReport()
        self.records: dict[Split, list[DialogueRecord]] = {split: [] for split in SPLITS}

    def read_files(self, files: Iterable[Path], tell: Callable[[str], None]) -> None:
        """Prepare all lines of files; `tell` gets a sentence for unusable lines."""
        for file in files:
            digest = hashlib.sha256()
            count = 0
            for number, line in read_lines(file, digest):
                self._add_line(number, line, file, tell)
                count += 1
            self.report.files.append(InputFile(file.name, digest.hexdigest(), count))
        if self._unusable > MAX_REPORTED_LINES:
            tell(f"{self._unusable - MAX_REPORTED_LINES} further lines are not usable")

    def _add_line(
        self, number: int, line: bytes | None, file: Path, tell: Callable[[str], None]
    ) -> None:
        try:
            reason = self._add_dialogue(self._parser.parse_line(line), file.name, number)
        except UnusableDialogueError as error:
            reason = str(error)
            self._unusable += 1
            if self._unusable <= MAX_REPORTED_LINES:
                tell(f"{file}:{number} is not usable: {reason}")
        if reason:
            self.report.left_out[reason] += 1

    def _add_dialogue(self, dialogue: Dialogue, name: str, number: int) -> str:
        """Write a dialogue, or return why it is left out."""
        dialogue, secrets = mask_dialogue(dialogue)
        phrase = self._phrases.find_phrase(dialogue.learned_texts)
        if phrase is not None:
            self.report.phrases[phrase] += 1
            return "phrase of the list"
        novelty = self._duplicates.add_text(dialogue.compared_text)
        if novelty is not Novelty.NEW:
            return novelty
        encoded = self._encoder.encode_dialogue(dialogue)
        if encoded is None:
            return "first exchange too long"
        self._add_record(dialogue, encoded, name, number)
        self.report.add_secrets(secrets)
        return ""

    def _add_record(
        self, dialogue: Dialogue, encoded: EncodedDialogue, name: str, number: int
    ) -> None:
        messages = dialogue.messages[encoded.first_message : encoded.last_message]
        self.report.shortened += len(messages) < len(dialogue.messages)
        shown = Dialogue(dialogue.thread, dialogue.system, messages, dialogue.provenance)
        record = DialogueRecord(
            thread=dialogue.thread,
            messages=shown.role_messages,
            ids=tuple(encoded.ids),
            learned=tuple(encoded.learned),
            provenance=dialogue.provenance.model_copy(update={"file": name, "line": number}),
        )
        split = choose_split(dialogue.thread, self._validation_share)
        self.records[split].append(record)
        self.report.add_record(split, record)
