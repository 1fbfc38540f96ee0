"""Choice of a parser for one block of code, and what a reader may conclude from its result."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Final

from worker.checks.data_formats import check_json, check_toml, check_xml, check_yaml
from worker.checks.findings import BROKEN, GUESSED, NOT_CHECKED, PARSES, UNCHECKED, Finding
from worker.checks.grammars import GRAMMARS, check_grammar
from worker.checks.guesses import guess_language
from worker.checks.python_code import check_python

PARSERS: Final[Mapping[str, Callable[[str], Finding]]] = MappingProxyType(
    {
        "python": check_python,
        "json": check_json,
        "toml": check_toml,
        "xml": check_xml,
        "yaml": check_yaml,
        **{name: partial(check_grammar, name) for name in GRAMMARS},
    }
)
PLACEHOLDER: Final = re.compile(
    r"\.\.\.(?![\w\[{($])"  # left out; a spread has a name behind it
    r"|…|\{%|\{\{-?[ ]?[.$\w][\w.| ()\"']{0,80}-?\}\}"  # a template's tag
    r"|<[A-Za-z]\w*[- ][\w -]*>"  # <your name>
    r"|^[ \t]*(?:[$>%]|>>>|\w+@[\w.-]+[:~ ]\S*[$#]) "  # a prompt
    r"|^(?:@@|---|\+\+\+) ",  # a diff
    re.MULTILINE,
)
"""Signs of a sketch: such a block need not parse to be of use."""


def check_code(language: str, text: str) -> Finding:
    """
    Return what is known about one block. A fragment or a sketch is never called broken.

    The language of code without a label is guessed. A label that fits less well than a guess is
    not relied on either.
    """
    finding = _parse_code(language, text)
    # To bash's grammar, code of many other languages is a list of commands.
    if language and finding.kind != BROKEN and (language, finding.kind) != ("bash", PARSES):
        return finding
    guess = guess_language(text)
    guessed = _parse_code("" if guess == language else guess, text)
    if guessed.kind != PARSES:
        return finding
    return Finding(UNCHECKED, language) if language else replace(guessed, kind=GUESSED)


def _parse_code(language: str, text: str) -> Finding:
    parse = PARSERS.get(language)
    if parse is None or not text.strip():
        return Finding(UNCHECKED, language)
    try:
        finding = parse(text)
    except (MemoryError, RecursionError, ValueError):
        # Hostile nesting or a huge number: the parser gave up, so the code may still be valid.
        finding = NOT_CHECKED
    if finding.kind == BROKEN and PLACEHOLDER.search(text):
        finding = NOT_CHECKED
    return finding if finding.code else replace(finding, code=language)
