"""Chat encoder: encodes a conversation into prompt token ids and defines the stop tokens."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

from contract.conversation import Speaker
from worker.prompt import chat_template
from worker.prompt.chat_format import (
    STARCHAT_CONTROLS,
    ChatFormat,
    LiteralText,
    Message,
    starchat_format,
)
from worker.prompt.tokenizer import CheckpointError, ControlToken, Tokenizer

END_OF_TEXT: Final = "<|endoftext|>"
"""End-of-document token of many vocabularies; it ends a reply."""

STARCODER_MARKER: Final = "<fim_prefix>"
"""Token of StarCoder's vocabulary, which StarChat uses. Other models have the same role tokens."""

PROBE_MESSAGES: Final = (
    Message(Speaker.USER, "x"),
    Message(Speaker.ASSISTANT, "x"),
    Message(Speaker.USER, "x"),
)

GeneratedIds = Mapping[str, Sequence[int]]
"""Reply text to the token ids that the model generated for it: one text has many encodings."""
NO_GENERATED_IDS: Final[GeneratedIds] = MappingProxyType({})


class ChatEncoder:
    """
    Encodes messages as token ids; only the chat format itself can produce control tokens.

    `stop_token_ids` end a reply: the format's own tokens (its end, and each that would open another
    role), the end of text, and the checkpoint's EOS ids. `stop_strings` are the format's tokens
    as a model may spell them in plain letters.

    A reply with known `generated_ids` is encoded by those ids, so that its KV cache can be reused
    even if the model's encoding of the text was not the canonical one.
    """

    def __init__(
        self, tokenizer: Tokenizer, chat_format: ChatFormat, eos_ids: Sequence[int] = ()
    ) -> None:
        """Use `chat_format`, whose control tokens the tokenizer must know."""
        self.tokenizer = tokenizer
        self._chat_format = chat_format
        longest_first = sorted(tokenizer.control_tokens, key=len, reverse=True)
        self._control_pattern = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")
        special_tokens = self._special_tokens()
        stop_tokens = [
            text for text in (*special_tokens, END_OF_TEXT) if text in tokenizer.control_tokens
        ]
        self.stop_token_ids = tuple(
            sorted({tokenizer.control_tokens[text].id for text in stop_tokens} | set(eos_ids))
        )
        self.stop_strings = tuple(
            text for text in special_tokens if not re.fullmatch(r"</?\w+>", text)
        )
        *_, reply_prefix = self._split_controls(PROBE_MESSAGES[:1], "")
        self._reply_prefix = str(reply_prefix)
        overhead = len(self.encode_messages(PROBE_MESSAGES)) - len(
            self.encode_messages(PROBE_MESSAGES[:1])
        )
        self._message_overhead = (overhead + 1) // 2

    @classmethod
    def from_checkpoint(
        cls, directory: Path, tokenizer: Tokenizer, eos_ids: Sequence[int] = ()
    ) -> Self:
        """
        Choose the chat format of a checkpoint; `eos_ids` come from its configuration.

        Raises `CheckpointError`, which names what is missing.
        """
        if all(text in tokenizer.control_tokens for text in (*STARCHAT_CONTROLS, STARCODER_MARKER)):
            return cls(tokenizer, starchat_format, eos_ids)
        template = chat_template.load_chat_template(directory)
        if template is None:
            names = " ".join(STARCHAT_CONTROLS)
            raise CheckpointError(
                f"{directory} has neither StarChat's role tokens ({names}) nor a "
                "chat template (chat_template.jinja, or chat_template in tokenizer_config.json)"
            )
        return cls(tokenizer, template, eos_ids)

    def encode_messages(
        self,
        messages: Sequence[Message],
        system: str = "",
        generated_ids: GeneratedIds = NO_GENERATED_IDS,
    ) -> tuple[int, ...]:
        """Return the prompt for messages that alternate and end with a user's."""
        known_runs = {
            self._reply_prefix + text: [*self.tokenizer.encode(self._reply_prefix), *ids]
            for text, ids in generated_ids.items()
            if ids and self.tokenizer.encodes_exactly(ids, text)
        }
        ids: list[int] = []
        for part in self._split_controls(messages, system):
            if isinstance(part, ControlToken):
                ids.append(part.id)
            else:
                ids += known_runs.get(part) or self.tokenizer.encode(part)
        return tuple(ids)

    def token_cost(self, text: str) -> int:
        """Return an upper bound of the tokens that a message of `text` adds to a prompt."""
        return len(self.tokenizer.encode(text)) + self._message_overhead

    def _split_controls(
        self, messages: Sequence[Message], system: str
    ) -> Iterator[str | ControlToken]:
        """
        Yield the format's control tokens and the runs of plain text between them.

        Each run is encoded as a whole, because the line break before a text may merge with it.
        """
        run, strip_left = "", False
        for piece in self._chat_format(messages, system):
            if isinstance(piece, LiteralText):
                run += piece.text
                continue
            control_end = 0
            for match in self._control_pattern.finditer(piece):
                run += piece[control_end : match.start()]
                control_end = match.end()
                control = self.tokenizer.control_tokens[match.group()]
                yield _strip_run(run, left=strip_left, right=control.strips_left)
                yield control
                run, strip_left = "", control.strips_right
            run += piece[control_end:]
        yield _strip_run(run, left=strip_left, right=False)

    def _special_tokens(self) -> list[str]:
        """Return the special tokens that the format itself writes, each once, in order."""
        pieces = self._chat_format(PROBE_MESSAGES, "x")
        controls = [
            text
            for piece in pieces
            if isinstance(piece, str)
            for text in self._control_pattern.findall(piece)
        ]
        return [
            text for text in dict.fromkeys(controls) if self.tokenizer.control_tokens[text].special
        ]


def _strip_run(run: str, *, left: bool, right: bool) -> str:
    run = run.lstrip() if left else run
    return run.rstrip() if right else run
