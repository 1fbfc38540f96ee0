"""
Terms of a question: its words in a common form, and those of them that distinguish it.

Every word distinguishes that is no common English one: names, numbers, versions, identifiers,
negations, and all words of other languages. So do the roles of words, as in "from X to Y", and the
order within expressions. A number counts with what it counts, and an
actor as one. Unknown words count: two questions that differ in one are not alike.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from bot.asked_before.vocabulary import (
    ARTICLES,
    AUXILIARIES,
    CONTAINERS,
    FILLERS,
    GENERAL,
    INFINITIVE_LEADS,
    ROLES,
    SYNONYMS,
    TOPICS,
)

MAX_CHARACTERS: Final = 2_000
"""Longer questions hold pasted text, and are alike to none."""
MIN_DISTINGUISHING: Final = 2
"""Terms without which a question says too little."""
MAX_DISTINGUISHING: Final = 200
"""Terms beyond which a question holds pasted text; each costs a hash."""

UNSPACED: Final = r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
"""A character of a script that writes no spaces between words."""
LETTERS: Final = r"[^\W\u3040-\uffff]++"
TOKENS: Final = re.compile(
    rf"{UNSPACED}|(?:(?<![^\s`'\"(])--?)?{LETTERS}(?:[.+#'-]++{LETTERS})*[+#]*"
    r"|[=!<>&|*%^~+-]{2,3}|[*&|%^~@]|[<>](?= ?\d)"
)
"""Words with their signs, such as `node.js`, `C++`, `don't` and `--hard`, and operators."""
CODE_SPANS: Final = re.compile(r"`([^`]{1,200})`")
CAPITALS: Final = re.compile(r"\b[A-Z]{2,}\b")
EMOJI: Final = re.compile(r":[a-z0-9_+-]{1,64}:")
WRITTEN: Final = "dockerfile|function|loop|makefile|method|program|query|script|test"
GREETINGS: Final = "afternoon|dear|folks|greetings|hello|hey|hi|howdy|morning|thanks|thx"
PHRASES: Final = (
    (re.compile(rf"\b(?:{GREETINGS}) (?:all|everybody|everyone|people|team)\b|\bat all\b"), ""),
    (re.compile(r"\bsome (?=advice|code|help|ideas?|tips?|way)"), ""),
    (re.compile(r"\b(?:easiest|fastest|quickest|simplest|cleanest) (?=way)"), "good "),
    (re.compile(r"(?<=create a )new "), ""),
    (re.compile(r"\binstead of\b"), "than"),
    (re.compile(r"\bwhat (?:exactly )?does (?=[^?.!]{1,80} do\b)"), "purpose-of does "),
    (re.compile(r"\bget(?:ting)? rid of\b"), "remove"),
    (re.compile(r"\bnumber of\b"), "count"),
    (re.compile(r"\bhow many\b"), "count"),
    (re.compile(r"\bfind out (?:whether|if)\b"), "check"),
    (re.compile(r"\bin general\b|\bany (?:advice|chance|help|ideas?|tips?|way)\b"), ""),
    (re.compile(r"\bgo about\b|\b(?:right|standard|normal|common) way\b"), ""),
    (re.compile(r"\b(?:figure|find|work) out\b|\bcome up with\b|\bend up\b|\bmake sure\b"), ""),
    (
        re.compile(
            r"\bkeep (?=getting)|\bshow me\b|\bhow (?:do i|to) (?:fix|solve) (?:it|that|this)\b"
        ),
        "",
    ),
    (re.compile(r"\b(?:do|does|should) one\b"), ""),
    (re.compile(rf"\bwrite (?=(?:an? |some )?(?:[a-z]{{1,16}} ){{0,2}}(?:{WRITTEN})\b)"), ""),
    (re.compile(r"\b(?:in|with|for) (?:my|our|the|this) code\b|\bcode (?=to|for|that)"), ""),
    (re.compile(r"\bmean of\b|\b(?<=the )mean\b"), "average"),
    (re.compile(r"\bwhat(?:'s| is) (?:the )?(?:cause|reason)\b|\bwhat causes\b"), "why"),
    (re.compile(r"\bwhen (?=should|do|does|to|can|is|was)"), "whenever "),
    (re.compile(r"^\W*should (?=i|we|one)"), "advisable "),
    (re.compile(r"\bregular expressions?\b"), "regex"),
    (re.compile(r"\b(?:go|going|iterate|iterating|loop|looping) (?:over|through)\b"), "iterate"),
    (re.compile(r"\b(?:has|have|had|got|getting) to\b"), "to"),
)
"""Phrases, each with the word that takes its place."""
EDGES: Final = "`'\",.;:?()"
TIGHT_EXPRESSION: Final = re.compile(r"\w[\[(<>=+*%&|^]+\w|\d[-/]\d")
"""A part of code without spaces, as in `a[1]` and `x*y`."""
OPERATOR: Final = re.compile(r"[-+*/%<>=!&|^]{1,3}")
PUNCTUATION: Final = frozenset({"-", "--", "/", "|", ">"})
"""Operators that people write between words too."""
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
    folded = unicodedata.normalize("NFKC", text[: MAX_CHARACTERS + 1]).casefold()
    if len(folded) > MAX_CHARACTERS:
        return None
    folded = _replace_phrases(folded)
    tokens = [token.removesuffix("'s") for token in TOKENS.findall(folded)]
    stems = frozenset(stem_word(token) for token in tokens if token not in FILLERS)
    distinguishing = stems - _GENERAL
    distinguishing |= {*_list_roles(tokens), *_join_characters(tokens), *_list_keywords(text)}
    distinguishing |= {*_list_expressions(folded), *_list_subjects(tokens), *_list_counts(tokens)}
    if not MIN_DISTINGUISHING <= len(distinguishing) <= MAX_DISTINGUISHING:
        return None
    return Terms(stems | distinguishing, distinguishing)


def stem_word(word: str) -> str:
    """Return a word in its common form: the name of a synonym, or without its ending."""
    return _strip_ending(SYNONYMS.get(word, word))


def _replace_phrases(folded: str) -> str:
    folded = EMOJI.sub(" ", folded.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
    for pattern, word in PHRASES:
        folded = pattern.sub(word, folded)
    return folded


def _list_roles(tokens: list[str]) -> Iterator[str]:
    """Yield words with their roles: "to JSON" is not "from JSON", nor "by name" "then name"."""
    stems = frozenset(map(stem_word, tokens))
    topics = _list_single(stems, _TOPICS)
    settings = {
        "with": topics,
        "for": topics | (stems - _ALL_TOPICS),
        "in": topics | _list_single(stems, [_CONTAINERS]),
    }
    pending = ""
    for before, word in itertools.pairwise(["", *tokens]):
        stem = stem_word(word)
        if word in ROLES and before and (word != "to" or before not in INFINITIVE_LEADS):
            pending = ROLES[word]
        elif word == "of" and stem_word(before) in _CONTAINERS:
            pending = word
        elif pending and word not in FILLERS and stem not in _GENERAL:
            is_of_others = pending == "of" and stem not in _CONTAINERS
            if not is_of_others and stem not in settings.get(pending, ()):
                yield f"{pending} {stem}"
            pending = ""


def _list_subjects(tokens: list[str]) -> Iterator[str]:
    """Yield who does something: "can Java call C" is not "can C call Java"."""
    words = [word for word in tokens if word not in ARTICLES]
    for before, word in itertools.pairwise(words):
        if before in AUXILIARIES and word not in FILLERS and stem_word(word) not in _GENERAL:
            yield f"subject {stem_word(word)}"


def _list_counts(tokens: list[str]) -> Iterator[str]:
    """Yield numbers with what they count: "2 rows of 3" is not "3 rows of 2"."""
    for number, word in itertools.pairwise(tokens):
        if number.isdecimal() and word.isalpha() and word not in FILLERS:
            yield f"{number} {stem_word(word)}"


def _list_single(stems: frozenset[str], kinds: Iterable[frozenset[str]]) -> frozenset[str]:
    """Return the stems that are the only ones of their kind."""
    found = (kind & stems for kind in kinds)
    return frozenset(itertools.chain.from_iterable(one for one in found if len(one) == 1))


def _list_expressions(folded: str) -> Iterator[str]:
    """Yield parts of code as they are: `5 - 3` is not `3 - 5`."""
    chunks = [chunk.strip(EDGES).rstrip("!") for chunk in folded.split()]
    yield from filter(TIGHT_EXPRESSION.search, chunks)
    for left, operator, right in zip(chunks, chunks[1:], chunks[2:], strict=False):
        is_operand = _is_short if operator in PUNCTUATION else _is_named
        if OPERATOR.fullmatch(operator) and is_operand(left) and is_operand(right):
            yield f"{left} {operator} {right}"


def _is_short(chunk: str) -> bool:
    return len(chunk) == 1 or any(character.isdecimal() for character in chunk)


def _is_named(chunk: str) -> bool:
    is_word = chunk[:1].isalnum() and chunk not in FILLERS
    return _is_short(chunk) or (is_word and stem_word(chunk) not in _GENERAL)


def _list_keywords(text: str) -> Iterator[str]:
    """Yield words that are names as they are: in code or in capitals, such as GET and `sorted`."""
    words = [] if text.isupper() else CAPITALS.findall(text)
    spans = (TOKENS.findall(span) for span in CODE_SPANS.findall(text))
    in_code = {word.casefold() for word in itertools.chain.from_iterable(spans)}
    for word in {*map(str.casefold, words), *in_code}:
        is_common = word in FILLERS or stem_word(word) in _GENERAL
        if is_common or (word in in_code and stem_word(word) != word):
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


_GENERAL: Final = frozenset(map(_strip_ending, GENERAL)) | ROLES.keys()
_CONTAINERS: Final = frozenset(map(stem_word, CONTAINERS))
_TOPICS: Final = tuple(frozenset(map(stem_word, names)) for names in TOPICS)
_ALL_TOPICS: Final = frozenset(itertools.chain.from_iterable(_TOPICS))
