"""Terminal rendering of Slack messages: rich text, code blocks and context blocks. Pure."""

from collections.abc import Iterator
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

Json = dict[str, Any]

STYLES: Final = {"bold": "bold", "italic": "italic", "strike": "strike", "code": "cyan"}
BULLETS: Final = ("•", "◦", "▪")


def draw_message(message: Json) -> RenderableType:
    """Return a message as a rich renderable; a message without blocks becomes its plain text."""
    blocks = message.get("blocks") or []
    parts = [part for block in blocks for part in _draw_block(block)]
    return Group(*parts) if parts else Text(str(message.get("text", "")))


def _draw_block(block: Json) -> Iterator[RenderableType]:
    match block.get("type"):
        case "rich_text":
            for element in block.get("elements", []):
                yield _draw_element(element)
        case "context":
            text = " ".join(str(part.get("text", "")) for part in block.get("elements", []))
            yield Text(text, style="dim italic")
        case "section":
            yield Text(str((block.get("text") or {}).get("text", "")))


def _draw_element(element: Json) -> RenderableType:
    match element.get("type"):
        case "rich_text_preformatted":
            return _draw_code(_draw_line(element).plain, str(element.get("language") or "text"))
        case "rich_text_list":
            return _draw_list(element)
        case "rich_text_quote":
            return Padding(_draw_line(element), (0, 0, 0, 2), style="italic")
        case _:
            return _draw_line(element)


def _draw_code(text: str, language: str) -> RenderableType:
    """Highlight code without frame or indent, so that a person can copy it unchanged."""
    code = Syntax("", language, theme="ansi_dark").highlight(text.strip("\n"))
    code.rstrip()
    return Group("", code, "")


def _draw_list(element: Json) -> RenderableType:
    depth = int(element.get("indent", 0))
    ordered = element.get("style") == "ordered"
    first = int(element.get("offset", 0)) + 1
    items = []
    for number, item in enumerate(element.get("elements", []), first):
        marker = f"{number}." if ordered else BULLETS[depth % len(BULLETS)]
        items.append(Text("  " * depth + f" {marker} ") + _draw_line(item))
    return Group(*items)


def _draw_line(element: Json) -> Text:
    return Text.assemble(*(_style_text(piece) for piece in element.get("elements", [])))


def _style_text(piece: Json) -> tuple[str, str]:
    style = " ".join(STYLES[name] for name in piece.get("style") or {} if name in STYLES)
    match piece.get("type"):
        case "link":
            return str(piece.get("text") or piece.get("url", "")), f"{style} underline"
        case "emoji":
            return f":{piece.get('name', '')}:", style
        case "user" | "broadcast":
            return f"@{piece.get('user_id') or piece.get('range', '')}", style
        case _:
            return str(piece.get("text", "")), style
