"""Terminal rendering of a reply."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from demo.blocks import draw_message

Json = dict[str, Any]


def _render_lines(*blocks: Json, text: str = "") -> list[str]:
    console = Console(file=StringIO(), width=60, color_system=None)
    console.print(draw_message({"text": text, "blocks": list(blocks)}))
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def _build_rich_text(*elements: Json) -> Json:
    return {"type": "rich_text", "elements": list(elements)}


def _build_line(*texts: str, kind: str = "rich_text_section", **more: Any) -> Json:
    return {"type": kind, "elements": [{"type": "text", "text": t, **more} for t in texts]}


def test_code_is_shown_verbatim() -> None:
    """Indentation and brackets survive; code is not parsed as markup."""
    code = "def f(x):\n    return [bold]x[0]"

    found = _render_lines(
        _build_rich_text(_build_line(code, kind="rich_text_preformatted") | {"language": "python"})
    )

    assert found == ["", *code.splitlines(), ""]


def test_unknown_code_language_is_plain() -> None:
    """The model may name any language."""
    block = _build_line("x", kind="rich_text_preformatted") | {"language": "no-such"}

    assert _render_lines(_build_rich_text(block)) == ["", "x", ""]


def test_context_block_follows_prose() -> None:
    """The disclaimer follows the prose, whose square brackets survive."""
    small = {"type": "context", "elements": [{"type": "plain_text", "text": "May be wrong."}]}

    assert _render_lines(_build_rich_text(_build_line("A [red] ", "lock.")), small) == [
        "A [red] lock.",
        "May be wrong.",
    ]


@pytest.mark.parametrize(
    ("style", "marks"), [("bullet", [" • a", " • b"]), ("ordered", [" 1. a", " 2. b"])]
)
def test_list_items_have_markers(style: str, marks: list[str]) -> None:
    """Items are bulleted or numbered."""
    items = {
        "type": "rich_text_list",
        "style": style,
        "elements": [_build_line("a"), _build_line("b")],
    }

    assert _render_lines(_build_rich_text(items)) == marks


def test_nested_list_is_indented_and_numbering_continues() -> None:
    """A list may be nested, and may continue an earlier list's numbering."""
    nested = {
        "type": "rich_text_list",
        "style": "bullet",
        "indent": 1,
        "elements": [_build_line("a")],
    }
    continued = {
        "type": "rich_text_list",
        "style": "ordered",
        "offset": 2,
        "elements": [_build_line("c")],
    }

    assert _render_lines(_build_rich_text(nested, continued)) == ["   ◦ a", " 3. c"]


def test_links_emoji_and_quotes_are_shown() -> None:
    """Each element of a reply has a terminal form."""
    pieces = {
        "type": "rich_text_quote",
        "elements": [
            {"type": "link", "url": "https://x.example", "text": "x"},
            {"type": "link", "url": "https://y.example"},
            {"type": "emoji", "name": "tada"},
            {"type": "user", "user_id": "U1"},
            {"type": "broadcast", "range": "here"},
            {"type": "text", "text": " z", "style": {"bold": True, "unheard": True}},
        ],
    }

    assert _render_lines(_build_rich_text(pieces)) == ["  xhttps://y.example:tada:@U1@here z"]


def test_message_without_blocks_shows_its_text() -> None:
    """A section shows its text; unknown blocks show nothing."""
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "hello"}}

    assert _render_lines(text="plain") == ["plain"]
    assert _render_lines(section, {"type": "actions"}) == ["hello"]
