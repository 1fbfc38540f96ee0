"""
Pure: the bot's own earlier reply, from the blocks that Slack keeps, back into Markdown.

The words of a reply stand in `rich_text` blocks only; disclaimer, notices and buttons stand in
other blocks and are left out by not being read.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

Json = Mapping[str, Any]

MARKS: Final = (("strike", "~~"), ("italic", "*"), ("bold", "**"))
"""Slack's styles and their marks in Markdown, the innermost first."""
DEEPEST: Final = 1000
"""No list of ours is deeper or longer; whatever says so is not believed."""


def markdown(blocks: Sequence[Json]) -> str:
    """Return the words of a reply; empty where its blocks hold none."""
    parts: list[tuple[str, str]] = []
    for block in blocks:
        if block.get("type") != "rich_text":
            continue
        parts += [(str(e.get("type")), _element(e)) for e in _elements(block)]
    return _joined([part for part in parts if part[1].strip()])


def _joined(parts: Sequence[tuple[str, str]]) -> str:
    text = ""
    before = ""
    for kind, words in parts:
        # Neighbouring lists are one list whose items stand at different depths.
        gap = "\n" if kind == before == "rich_text_list" else "\n\n"
        text += (gap if text else "") + words
        before = kind
    return text


def _elements(block: Json) -> Sequence[Json]:
    found = block.get("elements")
    return [e for e in found if isinstance(e, Mapping)] if isinstance(found, Sequence) else []


def _element(element: Json) -> str:
    kind = element.get("type")
    if kind == "rich_text_preformatted":
        return _fence(element)
    if kind == "rich_text_list":
        return _list(element)
    words = "".join(map(_inline, _elements(element))).strip("\n")
    if kind == "rich_text_quote":
        return "\n".join(f"> {line}".rstrip() for line in words.split("\n"))
    return words


def _fence(element: Json) -> str:
    code = "".join(map(_words, _elements(element)))
    longest = max(map(len, re.findall(r"`{3,}", code)), default=2)
    mark = "`" * (longest + 1)
    return f"{mark}{element.get('language') or ''}\n{code}\n{mark}"


def _list(element: Json) -> str:
    ordered = element.get("style") == "ordered"
    number = 1 + _whole(element.get("offset"))
    margin = "   " * _whole(element.get("indent"))
    lines = []
    for item in _elements(element):
        mark = f"{number}." if ordered else "-"
        words = "".join(map(_inline, _elements(item))).strip("\n")
        lines.append(f"{margin}{mark} {words}")
        number += 1
    return "\n".join(lines)


def _whole(value: object) -> int:
    return min(value, DEEPEST) if isinstance(value, int) else 0


def _inline(element: Json) -> str:
    words = _words(element)
    style = element.get("style")
    style = style if isinstance(style, Mapping) else {}
    bare = words.strip()
    if not bare:
        return words
    marked = _code(bare) if style.get("code") else bare
    for name, mark in MARKS:
        if style.get(name):
            marked = f"{mark}{marked}{mark}"
    front, _, back = words.partition(bare)
    return f"{front}{marked}{back}"


def _code(text: str) -> str:
    mark = "`" * (1 + max(map(len, re.findall(r"`+", text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{mark}{pad}{text}{pad}{mark}"


def _words(element: Json) -> str:
    kind = element.get("type")
    text = str(element.get("text") or "")
    if kind == "link":
        url = str(element.get("url") or "")
        return f"[{text}]({url})" if text and text != url else url
    if kind == "emoji":
        return f":{element.get('name')}:"
    return text
