"""Tokenizer and incremental detokenizer of a checkpoint, safe against forged control tokens."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import tokenizers
from tokenizers.decoders import DecodeStream

REPLACEMENT_CHARACTER: Final = "\N{REPLACEMENT CHARACTER}"
"""The decoder's output for a character whose bytes are incomplete."""

MAX_PIECE_CHARACTERS: Final = 4_096
"""Characters of a long text that are encoded at once: no other thread runs in the meantime."""

MAX_CHARACTERS_PER_TOKEN: Final = 16
"""A token of a long text counts as no more, or megabytes of spaces would fit into a prompt."""

SPACE_MARKER: Final = "\u2581"
"""SentencePiece's spelling of a space."""


MATCH_NOTHING: Final = re.compile("(?!)")
"""A pattern that matches nothing."""


class CheckpointError(Exception):
    """The checkpoint directory cannot be used. The message is one line for the operator."""


def replace_surrogates(text: str) -> str:
    """
    Return `text` with each lone surrogate replaced, so that it can be encoded as UTF-8.

    A surrogate pair becomes its character. Nothing else changes: normalization would turn the
    full-width spelling of a control token into the real one.
    """
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@dataclass(frozen=True, slots=True)
class ControlToken:
    """
    A token that no text may spell.

    `special` is the checkpoint's own flag; `strips_left` and `strips_right` say that the token
    strips the white space beside it where a template writes it.
    """

    id: int
    special: bool
    strips_left: bool
    strips_right: bool


class Tokenizer:
    """
    Tokenizer of one checkpoint. Text cannot be encoded as a control token.

    `control_tokens` are all tokens that were added to the vocabulary (except white space), special
    or not. `encode` never returns one of them; only a lookup in `control_tokens` gives its id.
    """

    def __init__(
        self, backend: tokenizers.Tokenizer, control_tokens: Mapping[str, ControlToken]
    ) -> None:
        """Wrap a backend; `from_checkpoint` creates one from a checkpoint."""
        self._backend = backend
        self.control_tokens = control_tokens
        self._special_ids = frozenset(
            control.id for control in control_tokens.values() if control.special
        )
        self._control_ids = frozenset(control.id for control in control_tokens.values())
        self._unencodable = MATCH_NOTHING
        self._unencodable = self._find_unencodable()

    @classmethod
    def from_checkpoint(cls, directory: Path) -> Self:
        """Load `tokenizer.json`. Raises `CheckpointError` if it is missing or cannot be used."""
        file = directory / "tokenizer.json"
        try:
            data = json.loads(file.read_text("utf-8"))
            control_tokens = _mark_controls_special(data["added_tokens"])
        except FileNotFoundError:
            raise CheckpointError(f"{directory} has no tokenizer.json") from None
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise CheckpointError(f"{file} cannot be read: {error!r}") from error
        try:
            backend = tokenizers.Tokenizer.from_str(json.dumps(data))
        except Exception as error:  # the Rust library raises nothing narrower
            raise CheckpointError(f"{file} cannot be used: {error}") from error
        backend.encode_special_tokens = True
        backend.no_truncation()
        backend.no_padding()
        tokenizer = cls(backend, control_tokens)
        tokenizer._reject_forgery(file)
        return tokenizer

    def encode(self, text: str) -> list[int]:
        """Return the ids of `make_encodable(text)`; spelled-out control tokens stay plain text."""
        return self._backend.encode(self.make_encodable(text), add_special_tokens=False).ids

    def make_encodable(self, text: str) -> str:
        """
        Return `text` with each character replaced that the vocabulary cannot encode.

        StarChat's vocabulary lacks one byte, so Unicode's planes 4 to 7 (which are empty) cannot be
        encoded; other vocabularies lack control characters. The library would drop those bytes
        and leave invalid ones beside them.
        """
        return self._unencodable.sub(REPLACEMENT_CHARACTER, replace_surrogates(text))

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of `ids` without special tokens."""
        return self._backend.decode(self.drop_special_ids(ids), skip_special_tokens=False)

    def encodes_exactly(self, ids: Sequence[int], text: str) -> bool:
        """Whether `ids` decode to `text` and contain no control token."""
        return self._control_ids.isdisjoint(ids) and self.decode(ids) == text

    def drop_special_ids(self, ids: Sequence[int]) -> list[int]:
        """Return `ids` without special tokens, which have no text."""
        return [token for token in ids if token not in self._special_ids]

    def split_ends(self, text: str, head: int, tail: int) -> tuple[str, str]:
        """Return about the first `head` and the last `tail` tokens of a longer text, as text."""
        text = self.make_encodable(text)
        offsets = self._find_offsets(text)
        return text[: offsets[head][0]], text[offsets[-tail - 1][1] :]

    def measure_head(self, text: str, max_tokens: int) -> tuple[int, int]:
        """
        Return how many tokens a text begins with, and how many characters they are.

        The text is encoded in pieces, up to `max_tokens`. Each piece may cost one token too many,
        and a token counts as at most `MAX_CHARACTERS_PER_TOKEN`.
        """
        within_reach = text[: max_tokens * MAX_CHARACTERS_PER_TOKEN]
        count = 0
        for start, piece in _split_pieces(within_reach):
            offsets = self._find_offsets(piece)
            if count + len(offsets) > max_tokens:
                return max_tokens, start + offsets[max_tokens - count][0]
            count += len(offsets)
        return max(count, len(within_reach) // MAX_CHARACTERS_PER_TOKEN), len(within_reach)

    def find_tail(self, text: str, max_tokens: int) -> int:
        """Return the first character of the last `max_tokens` tokens; see `measure_head`."""
        remaining = max_tokens
        first = max(0, len(text) - max_tokens * MAX_CHARACTERS_PER_TOKEN)
        for start, piece in reversed(_split_pieces(text[first:])):
            offsets = self._find_offsets(piece)
            if len(offsets) >= remaining:
                return first + start + (offsets[-remaining][0] if remaining else len(piece))
            remaining -= len(offsets)
        return first

    def _find_offsets(self, text: str) -> list[tuple[int, int]]:
        """Return the first and the last character of each token's text, the last one excluded."""
        return self._backend.encode(self.make_encodable(text), add_special_tokens=False).offsets

    def decode_step(self, stream: DecodeStream, token: int) -> str:
        """Return the text that `token` adds to `stream`; empty while a character is incomplete."""
        return stream.step(self._backend, token) or ""

    def _find_unencodable(self) -> re.Pattern[str]:
        """Return a pattern of unencodable characters, by a probe for each first byte of UTF-8."""
        ranges = [
            rf"\U{first:08x}-\U{last:08x}"
            for first, last in _first_byte_ranges()
            if REPLACEMENT_CHARACTER in self.decode(ids := self.encode(chr(first))) or not ids
        ]
        return re.compile(f"[{''.join(ranges)}]") if ranges else MATCH_NOTHING

    def _reject_forgery(self, file: Path) -> None:
        for text, control in self.control_tokens.items():
            if control.id in self.encode(text):
                raise CheckpointError(f"{file} encodes plain text as the control token {text}")


def _split_pieces(text: str) -> list[tuple[int, str]]:
    """Return pieces of a text with their positions; each ends with a line if one is in reach."""
    pieces, start = [], 0
    while start < len(text):
        end = start + MAX_PIECE_CHARACTERS
        if end < len(text):
            end = text.rfind("\n", start, end) + 1 or end
        pieces.append((start, text[start:end]))
        start = end
    return pieces


def _first_byte_ranges() -> Iterator[tuple[int, int]]:
    """Yield the first and last character of each range that shares its first byte in UTF-8."""
    yield from ((code, code) for code in range(0x80) if chr(code) not in "\t\n\r ")
    for first, end, size in (
        (0x80, 0x800, 0x40),
        (0x800, 0x10000, 0x1000),
        (0x10000, 0x110000, 0x40000),
    ):
        for start in range(first // size * size, end, size):
            yield max(start, first), min(start + size, end) - 1


def _mark_controls_special(added_tokens: list[dict[str, Any]]) -> dict[str, ControlToken]:
    """Return the control tokens, each marked special: the library protects only special ones."""
    controls = {}
    for token in added_tokens:
        if not token["content"].replace(SPACE_MARKER, "").strip():
            continue
        controls[token["content"]] = ControlToken(
            token["id"], token["special"], token["lstrip"], token["rstrip"]
        )
        token["special"] = True
    return controls


class IncrementalDetokenizer:
    """
    Incremental detokenizer, as in vLLM: decodes a reply while its ids arrive.

    Text that `append_ids` has returned never changes. Incomplete characters are held back. Special
    tokens are left out.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Start a reply."""
        self._tokenizer = tokenizer
        self._decoder = DecodeStream()
        self._visible_ids: list[int] = []
        self._decoded_length = 0

    def append_ids(self, ids: Sequence[int]) -> str:
        """Return the text that became certain, after what was returned before."""
        visible_ids = self._tokenizer.drop_special_ids(ids)
        self._visible_ids += visible_ids
        text = "".join(self._tokenizer.decode_step(self._decoder, token) for token in visible_ids)
        self._decoded_length += len(text)
        return text

    def flush_text(self) -> str:
        """Return the rest after the last id; an incomplete character at the end is dropped."""
        text = self._tokenizer.decode(self._visible_ids)[self._decoded_length :]
        return text.rstrip(REPLACEMENT_CHARACTER)
