"""Slack parser: effects of a fallback text, and contents of blocks."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from worker.render import Message, Part, Snippet

Json = dict[str, Any]

WORD: Final = r"[^\s.,;:!?()\[\]{}'\"&<>|/\\⁠]"
EFFECTS: Final = {
    "ping": re.compile(
        r"<[@!#][^<>\n]*>"
        r"|@(?:here|channel|everyone|group)\b"
        rf"|(?<![\w⁠])[@#]{WORD}+"
    ),
    "link": re.compile(
        r"<[^<>\n]+>"
        r"|[a-z0-9]://\S"
        rf"|\b(?:mailto|tel|data):{WORD}"
        rf"|\bwww\.{WORD}"
        rf"|{WORD}@{WORD}"
        r"|[a-z0-9-]\.[a-z]{2,}\b",
        re.IGNORECASE,
    ),
    "format": re.compile(
        r"(?<![\w])(?P<mark>[*_~`])(?=\S)[^\n]*?(?<=\S)(?P=mark)|```|^\s*(?:>|&gt;)", re.MULTILINE
    ),
    "emoji": re.compile(r":[a-z0-9_+'-]+:", re.IGNORECASE),
}
"""Broader than Slack's rules: a text without matches has no effect there."""

ENTITY: Final = re.compile(r"&(?:amp|lt|gt);")

ELEMENTS: Final = {
    "rich_text_section": {"text", "link"},
    "rich_text_quote": {"text", "link"},
    "rich_text_preformatted": {"text"},
    "rich_text_list": {"rich_text_section"},
}
KEYS: Final = {
    "text": {"type", "text", "style"},
    "link": {"type", "text", "url", "style"},
    "rich_text_section": {"type", "elements"},
    "rich_text_quote": {"type", "elements"},
    "rich_text_preformatted": {"type", "elements", "language"},
    "rich_text_list": {"type", "elements", "style", "indent", "offset"},
}


def find_effects(text: str) -> list[str]:
    """Return the effects of a fallback text: pings, links, formatting, emoji."""
    unescaped = [f"bare {sign}" for sign in re.findall(r"[<>&]", ENTITY.sub("", text))]
    return unescaped + [
        f"{name}: {found.group()!r}"
        for name, pattern in EFFECTS.items()
        for found in pattern.finditer(text)
    ]


def find_problems(message: Message) -> list[str]:
    """Return every violation of Slack's and the product's rules for a message."""
    found = find_effects(message.text)
    units = len(message.text.encode("utf-16-le")) // 2
    if not 0 < units <= 3_000:
        found.append(f"fallback of {units}")
    if not 0 < len(message.blocks) <= 50:
        found.append(f"{len(message.blocks)} blocks")
    content = sum(len(text.encode("utf-16-le")) // 2 for text in iterate_texts(message.blocks))
    if content > 11_000:
        found.append(f"{content} of content")
    for block in message.blocks:
        found += _check_block(block)
    return found


def _check_context(block: Json) -> Iterator[str]:
    if not 0 < len(block["elements"]) <= 10:
        yield "context"
    for element in block["elements"]:
        if element.keys() != {"type", "text", "emoji"} or element["type"] != "plain_text":
            yield f"context with {element}"
        if not 0 < len(element["text"]) <= 2_000 or element["emoji"]:
            yield "context text"


def _check_block(block: Json) -> Iterator[str]:
    if block["type"] == "context":
        yield from _check_context(block)
        return
    if block.keys() != {"type", "elements"} or block["type"] != "rich_text":
        yield f"block {block['type']}"
    if not block["elements"]:
        yield "empty block"
    for element in block["elements"]:
        yield from _check_element(element, set(ELEMENTS))


def _check_element(element: Json, allowed: set[str]) -> Iterator[str]:
    kind = element["type"]
    if kind not in allowed or not element.keys() <= KEYS[kind]:
        yield f"element {element}"
        return
    if kind in {"text", "link"}:
        if not element["text"] or element.get("url", element["text"]) != element["text"]:
            yield f"text {element}"
        if not element.get("style", {"bold": True}):
            yield "empty style"
        return
    if not element["elements"]:
        yield f"empty {kind}"
    if not (0 <= element.get("indent", 0) <= 8 and element.get("offset", 1) > 0):
        yield f"list {element}"
    for inner in element["elements"]:
        yield from _check_element(inner, ELEMENTS[kind])


def iterate_texts(value: object) -> Iterator[str]:
    """Yield every text of blocks, in order."""
    if isinstance(value, list):
        for inner in value:
            yield from iterate_texts(inner)
    elif isinstance(value, dict):
        if isinstance(value.get("text"), str):
            yield value["text"]
        yield from iterate_texts(value.get("elements"))


def find_elements(parts: Sequence[Part], kind: str) -> list[Json]:
    """Return all elements of one type in the messages, in order."""
    return [
        found
        for part in parts
        if isinstance(part, Message)
        for found in _iterate_kind(part.blocks, kind)
    ]


def _iterate_kind(value: object, kind: str) -> Iterator[Json]:
    if isinstance(value, list):
        for inner in value:
            yield from _iterate_kind(inner, kind)
    elif isinstance(value, dict):
        if value.get("type") == kind:
            yield value
        yield from _iterate_kind(value.get("elements"), kind)


def extract_code_lines(parts: Sequence[Part]) -> list[str]:
    """Return every code line of messages and files, in posting order."""
    lines: list[str] = []
    for part in parts:
        if isinstance(part, Snippet):
            lines += part.content.removesuffix("\n").split("\n")
        else:
            for block in find_elements([part], "rich_text_preformatted"):
                lines += block["elements"][0]["text"].split("\n")
    return lines


def model_text(parts: Sequence[Part]) -> str:
    """Return the model's text in posting order, without the product's sentences."""
    shown: list[str] = []
    for part in parts:
        if isinstance(part, Snippet):
            shown.append(part.content)
        else:
            shown += iterate_texts([b for b in part.blocks if b["type"] == "rich_text"])
    return "".join(shown)


def context_texts(part: Part) -> list[str]:
    """Return the product's sentences below a message."""
    assert isinstance(part, Message)
    return list(iterate_texts([block for block in part.blocks if block["type"] == "context"]))
