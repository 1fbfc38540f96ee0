"""The checkpoint's tokenizer: text to ids without control tokens, ids back to text as they come."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import tokenizers
from tokenizers.decoders import DecodeStream

REPLACEMENT_CHARACTER: Final = "\N{REPLACEMENT CHARACTER}"
"""What the decoder shows for a character of which not all bytes have come."""

SPACE_MARKER: Final = "\u2581"
"""How some vocabularies write a space."""


MATCH_NOTHING: Final = re.compile("(?!)")
"""A pattern that nothing matches."""


class CheckpointError(Exception):
    """A checkpoint directory that cannot be talked to; the message is one line for the operator."""


def replace_surrogates(text: str) -> str:
    """
    Return `text` with each lone surrogate replaced, so that it can be encoded at all.

    Two surrogates that make one character become it. Nothing else changes: normalising would turn
    the full-width spelling of a control token into the real one.
    """
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@dataclass(frozen=True, slots=True)
class ControlToken:
    """
    A token that no text may spell.

    `special` is the checkpoint's own flag; `left` and `right` say that the token swallows the
    white space beside it where a template writes it.
    """

    id: int
    special: bool
    strips_left: bool
    strips_right: bool


class Tokenizer:
    """
    One checkpoint's tokenizer, closed against forgery.

    `controls` are all tokens that were added to the vocabulary (white space aside), special or
    not: `encode` never yields one of them, so only who names one here by its text gets its id.
    """

    def __init__(
        self, backend: tokenizers.Tokenizer, control_tokens: Mapping[str, ControlToken]
    ) -> None:
        """Take the tokenizer as it is; `load` makes one from a checkpoint."""
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
        """Read `tokenizer.json`. Raises `CheckpointError` if it is absent or cannot be used."""
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
        """Return the ids of `written(text)`; what it spells of control tokens stays plain text."""
        return self._backend.encode(self.make_encodable(text), add_special_tokens=False).ids

    def make_encodable(self, text: str) -> str:
        """
        Return `text` clean and with each character marked that the vocabulary cannot write.

        StarChat's lacks one byte, so that Unicode's planes 4 to 7 (which are empty) cannot be
        written; other vocabularies lack control characters. The library would drop such bytes and
        leave broken ones beside them.
        """
        return self._unencodable.sub(REPLACEMENT_CHARACTER, replace_surrogates(text))

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of `ids` without special tokens."""
        return self._backend.decode(self.drop_special_ids(ids), skip_special_tokens=False)

    def encodes_exactly(self, ids: Sequence[int], text: str) -> bool:
        """Say whether `ids` are a way to write `text`, and none of them a control token."""
        return self._control_ids.isdisjoint(ids) and self.decode(ids) == text

    def drop_special_ids(self, ids: Sequence[int]) -> list[int]:
        """Return `ids` without the special tokens among them, which are no text."""
        return [token for token in ids if token not in self._special_ids]

    def split_ends(self, text: str, head: int, tail: int) -> tuple[str, str]:
        """Return about the first `head` and the last `tail` tokens of a longer text, as text."""
        text = self.make_encodable(text)
        offsets = self._backend.encode(text, add_special_tokens=False).offsets
        return text[: offsets[head][0]], text[offsets[-tail - 1][1] :]

    def decode_step(self, stream: DecodeStream, token: int) -> str:
        """Return what `token` adds to the text of `stream`: nothing while a character is half."""
        return stream.step(self._backend, token) or ""

    def _find_unencodable(self) -> re.Pattern[str]:
        """Find what cannot be written by one character for each first byte of UTF-8."""
        ranges = [
            rf"\U{first:08x}-\U{last:08x}"
            for first, last in _first_byte_ranges()
            if REPLACEMENT_CHARACTER in self.decode(ids := self.encode(chr(first))) or not ids
        ]
        return re.compile(f"[{''.join(ranges)}]") if ranges else MATCH_NOTHING

    def _reject_forgery(self, file: Path) -> None:
        for text, control in self.control_tokens.items():
            if control.id in self.encode(text):
                raise CheckpointError(f"{file} makes the control token {text} from plain text")


def _first_byte_ranges() -> Iterator[tuple[int, int]]:
    """Yield the first and the last character of each range that shares its first byte in UTF-8."""
    yield from ((code, code) for code in range(0x80) if chr(code) not in "\t\n\r ")
    for first, end, size in (
        (0x80, 0x800, 0x40),
        (0x800, 0x10000, 0x1000),
        (0x10000, 0x110000, 0x40000),
    ):
        for start in range(first // size * size, end, size):
            yield max(start, first), min(start + size, end) - 1


def _mark_controls_special(added_tokens: list[dict[str, Any]]) -> dict[str, ControlToken]:
    """Return the control tokens, and mark each special: the library spells out only those."""
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
    The text of a reply while its ids arrive, up to the first stop string.

    What `feed` has returned never changes afterwards: halves of characters, and whatever may still
    become a stop string, are held back. Special tokens are left out.
    """

    def __init__(self, tokenizer: Tokenizer, stop_strings: Sequence[str] = ()) -> None:
        """Begin a reply that ends at the first of `stops`, if the model spells one."""
        self.stopped = False
        """Whether a stop string has come; the text before it is complete."""
        self._tokenizer = tokenizer
        self._decoder = DecodeStream()
        self._stop_strings = tuple(stop_strings)
        self._stop_pattern = re.compile("|".join(map(re.escape, self._stop_strings)) or "(?!)")
        self._visible_ids: list[int] = []
        self._decoded_length = 0
        self._held_text = ""

    def append_ids(self, ids: Sequence[int]) -> str:
        """Return the text that is certain now, beyond what was returned before."""
        if self.stopped:
            return ""
        visible_ids = self._tokenizer.drop_special_ids(ids)
        self._visible_ids += visible_ids
        text = "".join(self._tokenizer.decode_step(self._decoder, token) for token in visible_ids)
        self._decoded_length += len(text)
        return self._release_text(text)

    def flush_text(self) -> str:
        """Return the rest when no more ids come; half a character at the very end is left out."""
        if self.stopped:
            return ""
        rest = self._tokenizer.decode(self._visible_ids)[self._decoded_length :].rstrip(
            REPLACEMENT_CHARACTER
        )
        text = self._release_text(rest) + self._held_text
        self._held_text = ""
        return text

    def _release_text(self, text: str) -> str:
        text = self._held_text + text
        stop_match = self._stop_pattern.search(text)
        if stop_match:
            self.stopped = True
            self._held_text = ""
            return text[: stop_match.start()]
        certain_length = len(text) - self._count_uncertain(text)
        self._held_text = text[certain_length:]
        return text[:certain_length]

    def _count_uncertain(self, text: str) -> int:
        """Return how many characters at the end may become a stop string."""
        max_size = max(map(len, self._stop_strings), default=1) - 1
        for size in range(min(max_size, len(text)), 0, -1):
            if any(stop.startswith(text[-size:]) for stop in self._stop_strings):
                return size
        return 0
