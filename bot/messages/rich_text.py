"""
Rich text blocks of an earlier reply, converted back to Markdown.

Only `rich_text` blocks hold the reply. Disclaimer, notices and buttons are other blocks, which are
skipped.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

Json = Mapping[str, Any]

STYLE_MARKS: Final = (("strike", "~~"), ("italic", "*"), ("bold", "**"))
"""Slack's styles and their Markdown marks, innermost first."""
MAX_LIST_NUMBER: Final = 1000
"""Bound for list numbers and indents: the bot writes none above it."""


def to_markdown(blocks: Sequence[Json]) -> str:
    """Return the text of a reply as Markdown; empty if its blocks hold none."""
    parts: list[tuple[str, str]] = []
    for block in blocks:
        if block.get("type") != "rich_text":
            continue
        parts += [(str(e.get("type")), _render_element(e)) for e in _list_elements(block)]
    return _join_blocks([part for part in parts if part[1].strip()])


def _join_blocks(parts: Sequence[tuple[str, str]]) -> str:
    text = ""
    before = ""
    for kind, words in parts:
        # Slack splits a nested list into one list for each change of depth.
        gap = "\n" if kind == before == "rich_text_list" else "\n\n"
        text += (gap if text else "") + words
        before = kind
    return text


def _list_elements(block: Json) -> Sequence[Json]:
    found = block.get("elements")
    return [e for e in found if isinstance(e, Mapping)] if isinstance(found, Sequence) else []


def _render_element(element: Json) -> str:
    kind = element.get("type")
    if kind == "rich_text_preformatted":
        return _render_code_block(element)
    if kind == "rich_text_list":
        return _render_list(element)
    words = "".join(map(_render_inline, _list_elements(element))).strip("\n")
    if kind == "rich_text_quote":
        return "\n".join(f"> {line}".rstrip() for line in words.split("\n"))
    return words


def _render_code_block(element: Json) -> str:
    code = "".join(map(_read_inline_text, _list_elements(element)))
    longest = max(map(len, re.findall(r"`{3,}", code)), default=2)
    mark = "`" * (longest + 1)
    return f"{mark}{element.get('language') or ''}\n{code}\n{mark}"


def _render_list(element: Json) -> str:
    ordered = element.get("style") == "ordered"
    number = 1 + _clamp_number(element.get("offset"))
    margin = "   " * _clamp_number(element.get("indent"))
    lines = []
    for item in _list_elements(element):
        mark = f"{number}." if ordered else "-"
        words = "".join(map(_render_inline, _list_elements(item))).strip("\n")
        lines.append(f"{margin}{mark} {words}")
        number += 1
    return "\n".join(lines)


def _clamp_number(value: object) -> int:
    return min(value, MAX_LIST_NUMBER) if isinstance(value, int) else 0


def _render_inline(element: Json) -> str:
    words = _read_inline_text(element)
    style = element.get("style")
    style = style if isinstance(style, Mapping) else {}
    bare = words.strip()
    if not bare:
        return words
    marked = _render_code_span(bare) if style.get("code") else bare
    for name, mark in STYLE_MARKS:
        if style.get(name):
            marked = f"{mark}{marked}{mark}"
    front, _, back = words.partition(bare)
    return f"{front}{marked}{back}"


def _render_code_span(text: str) -> str:
    mark = "`" * (1 + max(map(len, re.findall(r"`+", text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{mark}{pad}{text}{pad}{mark}"


def _read_inline_text(element: Json) -> str:
    kind = element.get("type")
    text = str(element.get("text") or "")
    if kind == "link":
        url = str(element.get("url") or "")
        return f"[{text}]({url})" if text and text != url else url
    if kind == "emoji":
        return f":{element.get('name')}:"
    return text
