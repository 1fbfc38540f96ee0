"""
Terms of a question: its words in a common form, and those of them that distinguish it.

Every word distinguishes that is no common English one: names, numbers, versions, identifiers,
negations, and all words of other languages. Unknown words count, so that questions which differ in
one are never taken for alike.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterator
from typing import Final, NamedTuple

from bot.asked_before.vocabulary import FILLERS, GENERAL, INFINITIVE_LEADS, SYNONYMS

MAX_CHARACTERS: Final = 2_000
"""Longer questions hold pasted text, and are alike to none."""
MIN_DISTINGUISHING: Final = 2
"""Terms without which a question says too little."""

UNSPACED: Final = r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
"""A character of a script that writes no spaces between words."""
LETTERS: Final = r"[^\W\u3040-\uffff]++"
TOKENS: Final = re.compile(
    rf"{UNSPACED}|(?:(?<![^\s`'\"(])--?)?{LETTERS}(?:[.+#'-]+{LETTERS})*+[+#]*"
    r"|[=!<>&|*%^~+-]{2,3}|[*&|%^~@]"
)
"""Words with their signs, such as `node.js`, `C++`, `don't` and `--hard`, and operators."""
CODE_SPANS: Final = re.compile(r"`([^`]{1,200})`")
CAPITALS: Final = re.compile(r"\b[A-Z]{2,}\b")
EMOJI: Final = re.compile(r":[a-z0-9_+-]{1,64}:")
PHRASES: Final = (
    (re.compile(r"\bget(?:ting)? rid of\b"), "remove"),
    (re.compile(r"\bnumber of\b"), "count"),
    (re.compile(r"\bhow many\b"), "count"),
    (re.compile(r"\bfind out (?:whether|if)\b"), "check"),
    (re.compile(r"\bin general\b|\bany (?:advice|chance|help|ideas?|tips?|way)\b"), ""),
    (re.compile(r"\bgo about\b"), ""),
    (re.compile(r"\bwhat(?:'s| is) (?:the )?(?:cause|reason)\b|\bwhat causes\b"), "why"),
    (re.compile(r"\bwhen (?=should|do|does|to|can|is|was)"), "whenever "),
    (re.compile(r"^\W*should (?=i|we|one)"), "advisable "),
    (re.compile(r"\bregular expressions?\b"), "regex"),
    (re.compile(r"\b(?:go|going|iterate|iterating|loop|looping) (?:over|through)\b"), "iterate"),
    (re.compile(r"\b(?:has|have|had|got|getting) to\b"), "to"),
)
"""Phrases, each with the word that takes its place."""
FROM: Final = "from"
DIRECTIONS: Final = {"to": "to", "into": "to", FROM: FROM}
VOWELS: Final = frozenset("aeiouy")
SIBILANTS: Final = ("sses", "shes", "ches", "xes", "zes")
UNDOUBLED: Final = frozenset("lsz")
MIN_STEM: Final = 3


class Terms(NamedTuple):
    """Terms of a question; `distinguishing` are those that like questions have in common."""

    all: frozenset[str]
    distinguishing: frozenset[str]


def read_terms(text: str) -> Terms | None:
    """Return the terms of a question; `None` if it is too long, or says too little."""
    if len(text) > MAX_CHARACTERS:
        return None
    tokens = _split_tokens(text)
    stems = frozenset(stem_word(token) for token in tokens if token not in FILLERS)
    distinguishing = stems - _GENERAL
    distinguishing |= {*_list_targets(tokens), *_join_characters(tokens), *_list_keywords(text)}
    if len(distinguishing) < MIN_DISTINGUISHING:
        return None
    return Terms(stems | distinguishing, distinguishing)


def stem_word(word: str) -> str:
    """Return a word in its common form: the name of a synonym, or without its ending."""
    return _strip_ending(SYNONYMS.get(word, word))


def _split_tokens(text: str) -> list[str]:
    folded = unicodedata.normalize("NFKC", text).casefold()
    folded = EMOJI.sub(" ", folded.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
    for pattern, word in PHRASES:
        folded = pattern.sub(word, folded)
    return [token.removesuffix("'s") for token in TOKENS.findall(folded)]


def _list_targets(tokens: list[str]) -> Iterator[str]:
    """Yield what something is converted to or taken from: "to JSON" is not "from JSON"."""
    pending = ""
    for before, word in itertools.pairwise(["", *tokens]):
        is_direction = word in DIRECTIONS and before
        if is_direction and (word == FROM or before not in INFINITIVE_LEADS):
            pending = DIRECTIONS[word]
        elif pending and word not in FILLERS and stem_word(word) not in _GENERAL:
            yield f"{pending} {stem_word(word)}"
            pending = ""


def _list_keywords(text: str) -> Iterator[str]:
    """Yield common words that are names here: in code, or in capitals, such as GET and `make`."""
    words = [] if text.isupper() else CAPITALS.findall(text)
    for span in CODE_SPANS.findall(text):
        words += TOKENS.findall(span)
    for word in map(str.casefold, words):
        if word in FILLERS or stem_word(word) in _GENERAL:
            yield f"`{word}`"


def _join_characters(tokens: list[str]) -> Iterator[str]:
    """Yield pairs of neighbours in scripts without spaces, where one character says little."""
    for one, other in itertools.pairwise(tokens):
        if re.fullmatch(UNSPACED, one) and re.fullmatch(UNSPACED, other):
            yield one + other


def _strip_ending(word: str) -> str:
    if not word.isascii() or not word.isalpha() or len(word) <= MIN_STEM:
        return word
    if word.endswith("ies"):
        word = word[:-3] + "y"
    elif word.endswith(SIBILANTS):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) >= MIN_STEM and VOWELS & set(rest):
            is_doubled = rest[-1] == rest[-2] and rest[-1] not in UNDOUBLED | VOWELS
            word = rest[:-1] if is_doubled else rest
            break
    return word.removesuffix("e") if len(word) > MIN_STEM + 1 else word


_GENERAL: Final = frozenset(map(_strip_ending, GENERAL)) | DIRECTIONS.keys()
