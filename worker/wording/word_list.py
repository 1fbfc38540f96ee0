"""
Word list: literal words and phrases of a workspace, sought in one pass over a text.

The pass is an Aho-Corasick automaton (1975): its time grows with the text alone, for any list.
Texts and list are compared without case, width and invisible characters.
"""

import unicodedata
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from contract.settings import SettingsError

VARIABLE: Final = "STARCHAT_WORDS_FILE"
MAX_FILE_BYTES: Final = 256 * 1024
MAX_ENTRIES: Final = 5_000
MAX_ENTRY_CHARACTERS: Final = 100
COMMENT: Final = "#"
ROOT: Final = 0
FIRST_UNSPACED: Final = "\u0e00"
"""From this character on, few scripts put spaces between words, so every place may begin one."""
INVISIBLE: Final = dict.fromkeys(
    [0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065), 0xFEFF]
)
"""Characters that hide in words."""


class WordList:
    """Entries of a list as an automaton over characters."""

    def __init__(self, entries: Iterable[str]) -> None:
        """Build the automaton; an entry without visible characters is left out."""
        self._next: dict[tuple[int, str], int] = {}
        self._fallback = [ROOT]
        self._lengths: list[tuple[int, ...]] = [()]
        """Lengths of the entries that end at each state."""
        self.size = 0
        for entry in entries:
            if normalized := normalize_text(entry):
                self._add_entry(normalized)
                self.size += 1
        self._link_fallbacks()

    def has_match(self, text: str) -> bool:
        """Return whether an entry is in a text, as whole words."""
        normalized = normalize_text(text)
        state = ROOT
        for position, character in enumerate(normalized):
            while state and (state, character) not in self._next:
                state = self._fallback[state]
            state = self._next.get((state, character), ROOT)
            lengths = self._lengths[state]
            if lengths and not _joins(normalized, position + 1):
                starts = (position + 1 - length for length in lengths)
                if any(not _joins(normalized, start) for start in starts):
                    return True
        return False

    def _add_entry(self, entry: str) -> None:
        state = ROOT
        for character in entry:
            following = self._next.get((state, character))
            if following is None:
                following = self._next[state, character] = len(self._fallback)
                self._fallback.append(ROOT)
                self._lengths.append(())
            state = following
        self._lengths[state] = (len(entry),)

    def _link_fallbacks(self) -> None:
        """Point each state to that of its longest proper end, shortest states first."""
        children: dict[int, list[tuple[str, int]]] = {}
        for (state, character), following in self._next.items():
            children.setdefault(state, []).append((character, following))
        waiting = deque(following for _, following in children.get(ROOT, ()))
        while waiting:
            state = waiting.popleft()
            for character, following in children.get(state, ()):
                fallback = self._fallback[state]
                while fallback and (fallback, character) not in self._next:
                    fallback = self._fallback[fallback]
                fallback = self._next.get((fallback, character), ROOT)
                self._fallback[following] = fallback
                self._lengths[following] += self._lengths[fallback]
                waiting.append(following)


def load_word_list(path: str) -> WordList | None:
    """
    Load a list: UTF-8 text with an entry a line, and comments behind `#`. `None` without a path.

    Raises `SettingsError` with one line: variable or line, and expectation.
    """
    if not path:
        return None
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError):
        raise SettingsError(
            f"{VARIABLE} must be the path of a readable file, not '{path}'"
        ) from None
    if len(content) > MAX_FILE_BYTES:
        raise SettingsError(f"{VARIABLE} must name a file of at most {MAX_FILE_BYTES} bytes")
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise SettingsError(f"{VARIABLE} must name a file in UTF-8") from None
    entries = [line.strip() for line in lines]
    for number, entry in enumerate(entries, 1):
        if len(entry) > MAX_ENTRY_CHARACTERS and not entry.startswith(COMMENT):
            expected = f"at most {MAX_ENTRY_CHARACTERS} characters"
            raise SettingsError(f"{VARIABLE}: line {number} must have {expected}, not {len(entry)}")
    word_list = WordList(entry for entry in entries if not entry.startswith(COMMENT))
    if not 1 <= word_list.size <= MAX_ENTRIES:
        expected = f"1 to {MAX_ENTRIES} words or phrases"
        raise SettingsError(f"{VARIABLE} must name a file of {expected}, not {word_list.size}")
    return word_list


def normalize_text(text: str) -> str:
    """Return a text as it is compared: without case, width and invisible characters."""
    visible = unicodedata.normalize("NFKC", text).translate(INVISIBLE)
    return " ".join(visible.casefold().split())


def _joins(text: str, position: int) -> bool:
    """Return whether a word crosses a position."""
    if not 0 < position < len(text):
        return False
    return all(
        character < FIRST_UNSPACED and (character.isalnum() or character == "_")
        for character in text[position - 1 : position + 1]
    )
