"""
Foreign turns: finds where a reply continues as a person of the conversation.

A false cut takes words from a reader, so a line must begin with a label of this conversation,
outside code, and must be neither introduced as an example nor one of several fields.
"""

import re
from typing import Final

from worker.answering.stop_conditions.turn_labels import (
    ASSISTANT_LINE,
    FIELD_LINE,
    TurnLabels,
    TurnLine,
)
from worker.render.code_lookup import CodeLookup

MAX_TURN_CHARACTERS: Final = 600
"""Beginning of a possible turn that is examined."""

BLANK_LINE: Final = re.compile(r"\n[ \t\r]*+(?=\n)")
INTRODUCTION: Final = re.compile(r"\#{1,6}[ ]|.*+(?<=[:：])\Z|\*\*[^*\n]*+\*\*\s*+\Z")
"""A line that introduces what follows: a heading, or an end with a colon."""
QUESTION: Final = re.compile(r"[?？؟](?:\s|\Z)")
FIRST_PERSON: Final = re.compile(
    r"(?:\bI|\bI['’](?:m|ve|d|ll)|\b[Mm]y|\b[Tt]hanks|\b[Tt]hank you|\b[Pp]lease)(?![\w\-.@/=])"
)


class ForeignTurnFinder:
    """Reads a growing reply, each line once."""

    def __init__(self, labels: TurnLabels, code_lookup: CodeLookup) -> None:
        """Look for turns with these labels."""
        self._labels = labels
        self._code_lookup = code_lookup
        self._next_line = 0
        self._unproven: int | None = None
        self._is_dialogue = False
        """Whether the reply contains a dialogue that it introduced or began with."""
        self.undecided: int | None = None
        """Start of a line that may turn out to begin a turn."""

    def find_turn(self, text: str, *, is_complete: bool) -> int | None:
        """Return where a person's turn begins in a longer version of the text before."""
        self.undecided = None
        while self._next_line < len(text):
            start = self._next_line
            end = text.find("\n", start)
            if end < 0:
                end = len(text)
            line = text[start : min(end, start + MAX_TURN_CHARACTERS)]
            turn_line = self._labels.match_line(line)
            if turn_line is not None:
                block = _read_block(text, start)
                is_open = len(block) < MAX_TURN_CHARACTERS and start + len(block) == len(text)
                if is_open and not is_complete:
                    self.undecided = start
                    return None
                if self._begins_turn(text, start, block, turn_line):
                    return start
            elif self._unproven is not None and ASSISTANT_LINE.match(line):
                return self._unproven
            elif end == len(text):
                return None
            self._next_line = end + 1
            self._code_lookup.read_lines(text, self._next_line)
        return None

    def _begins_turn(self, text: str, start: int, block: str, turn_line: TurnLine) -> bool:
        before = text[:start].rstrip()
        if not before or INTRODUCTION.match(before, before.rfind("\n") + 1):
            self._is_dialogue = True
        if self._is_dialogue:
            return False
        is_question = bool(QUESTION.search(block))
        if not is_question and _is_among_fields(text, start, block):
            return False
        if self._code_lookup.is_code(text, start, start + len(block.partition("\n")[0])):
            return False
        if turn_line.is_weak and not is_question and not FIRST_PERSON.search(turn_line.words):
            self._unproven = start if self._unproven is None else self._unproven
            return bool(re.search(rf"\n{ASSISTANT_LINE.pattern}", block))
        return True


def _read_block(text: str, start: int) -> str:
    """Return the text from `start` to the next empty line, or its beginning."""
    block = text[start : start + MAX_TURN_CHARACTERS]
    blank = BLANK_LINE.search(block)
    return block[: blank.start()] if blank else block


def _is_among_fields(text: str, start: int, block: str) -> bool:
    """Whether the line right above or below is a field, too."""
    above = text[text.rfind("\n", 0, max(0, start - 1)) + 1 : start]
    below = block.partition("\n")[2]
    is_field_below = FIELD_LINE.match(below) and not ASSISTANT_LINE.match(below)
    return bool(FIELD_LINE.match(above) or is_field_below)
