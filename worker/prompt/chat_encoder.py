"""A model's way to hold a conversation: which ids a conversation becomes, and which end a reply."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

from contract.conversation import Speaker
from worker.prompt import chat_template
from worker.prompt.chat_format import STARCHAT, Message, Said, Scaffold, starchat
from worker.prompt.tokenizer import CheckpointError, Control, Tokenizer

ENDOFTEXT: Final = "<|endoftext|>"
"""The end of a document in many vocabularies: a reply that reaches it is over."""

STARCODER: Final = "<fim_prefix>"
"""StarChat's vocabulary is StarCoder's. Other models have the same roles in another form."""

PROBE: Final = (
    Message(Speaker.USER, "x"),
    Message(Speaker.ASSISTANT, "x"),
    Message(Speaker.USER, "x"),
)

Spelled = Mapping[str, Sequence[int]]
"""Replies, each with the ids that the model wrote it by: a text can be spelled in many ways."""
UNSPELLED: Final[Spelled] = MappingProxyType({})


class Dialogue:
    """
    Turns messages into prompt ids; only the scaffold's own control tokens become control ids.

    `stop` are the ids that end a reply: the dialogue's own tokens (its end, and each that would
    open another role), the end of text, and what the checkpoint itself names. `stop_texts` are
    the dialogue's tokens as a model may spell them in plain letters.

    Where a reply is given with the ids that it was written by, the prompt has those: what the
    engine has computed for them is of use then, whichever way the model spelled its words.
    """

    def __init__(self, tokenizer: Tokenizer, scaffold: Scaffold, eos: Sequence[int] = ()) -> None:
        """Use `scaffold`, whose control tokens the tokenizer must know."""
        self.tokenizer = tokenizer
        self._scaffold = scaffold
        longest_first = sorted(tokenizer.controls, key=len, reverse=True)
        self._controls = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")
        written = self._written()
        ends = [text for text in (*written, ENDOFTEXT) if text in tokenizer.controls]
        self.stop = tuple(sorted({tokenizer.controls[text].id for text in ends} | set(eos)))
        self.stop_texts = tuple(text for text in written if not re.fullmatch(r"</?\w+>", text))
        *_, opening = self._parts(PROBE[:1], "")
        self._opening = str(opening)
        overhead = len(self.ids(PROBE)) - len(self.ids(PROBE[:1]))
        self._overhead = (overhead + 1) // 2

    @classmethod
    def load(cls, directory: Path, tokenizer: Tokenizer, eos: Sequence[int] = ()) -> Self:
        """
        Find the form for a checkpoint; `eos` are the ids that its configuration names.

        Raises `CheckpointError` naming what is missing.
        """
        if all(text in tokenizer.controls for text in (*STARCHAT, STARCODER)):
            return cls(tokenizer, starchat, eos)
        found = chat_template.load(directory)
        if found is None:
            raise CheckpointError(
                f"{directory} has neither StarChat's dialogue tokens ({' '.join(STARCHAT)}) nor a "
                "chat template (chat_template.jinja, or chat_template in tokenizer_config.json)"
            )
        return cls(tokenizer, found, eos)

    def ids(
        self, messages: Sequence[Message], system: str = "", spelled: Spelled = UNSPELLED
    ) -> tuple[int, ...]:
        """Return the prompt for messages that alternate and end with a person's."""
        known = {
            self._opening + text: [*self.tokenizer.encode(self._opening), *ids]
            for text, ids in spelled.items()
            if ids and self.tokenizer.spells(ids, text)
        }
        ids: list[int] = []
        for part in self._parts(messages, system):
            if isinstance(part, Control):
                ids.append(part.id)
            else:
                ids += known.get(part) or self.tokenizer.encode(part)
        return tuple(ids)

    def cost(self, text: str) -> int:
        """Return how many ids a message of `text` adds to a prompt, or a few more than that."""
        return len(self.tokenizer.encode(text)) + self._overhead

    def _parts(self, messages: Sequence[Message], system: str) -> Iterator[str | Control]:
        """
        Yield the scaffold's control tokens and, between them, each plain run as one text.

        A run is encoded as a whole, since the line break before a text may merge with it.
        """
        run, swallow = "", False
        for piece in self._scaffold(messages, system):
            if isinstance(piece, Said):
                run += piece.text
                continue
            literal = 0
            for found in self._controls.finditer(piece):
                run += piece[literal : found.start()]
                literal = found.end()
                control = self.tokenizer.controls[found.group()]
                yield _swallowed(run, left=swallow, right=control.left)
                yield control
                run, swallow = "", control.right
            run += piece[literal:]
        yield _swallowed(run, left=swallow, right=False)

    def _written(self) -> list[str]:
        """Return the special tokens that the scaffold itself writes, each once, in order."""
        pieces = self._scaffold(PROBE, "x")
        found = [
            text
            for piece in pieces
            if isinstance(piece, str)
            for text in self._controls.findall(piece)
        ]
        return [text for text in dict.fromkeys(found) if self.tokenizer.controls[text].special]


def _swallowed(run: str, *, left: bool, right: bool) -> str:
    run = run.lstrip() if left else run
    return run.rstrip() if right else run
