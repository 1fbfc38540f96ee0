"""How a reply looks in a terminal."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from demo.blocks import drawn

Json = dict[str, Any]


def _seen(*blocks: Json, text: str = "") -> list[str]:
    console = Console(file=StringIO(), width=60, color_system=None)
    console.print(drawn({"text": text, "blocks": list(blocks)}))
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def _rich(*elements: Json) -> Json:
    return {"type": "rich_text", "elements": list(elements)}


def _line(*texts: str, kind: str = "rich_text_section", **more: Any) -> Json:
    return {"type": kind, "elements": [{"type": "text", "text": t, **more} for t in texts]}


def test_code_arrives_as_it_was_written() -> None:
    """Indentation and brackets survive: nothing in code is markup."""
    code = "def f(x):\n    return [bold]x[0]"

    found = _seen(_rich(_line(code, kind="rich_text_preformatted") | {"language": "python"}))

    assert found == ["", *code.splitlines(), ""]


def test_a_language_nobody_knows_is_shown_plainly() -> None:
    """What the model calls its language may be anything."""
    block = _line("x", kind="rich_text_preformatted") | {"language": "no-such"}

    assert _seen(_rich(block)) == ["", "x", ""]


def test_prose_and_small_print_stand_under_each_other() -> None:
    """The disclaimer follows the words, and square brackets in them stay."""
    small = {"type": "context", "elements": [{"type": "plain_text", "text": "May be wrong."}]}

    assert _seen(_rich(_line("A [red] ", "lock.")), small) == ["A [red] lock.", "May be wrong."]


@pytest.mark.parametrize(
    ("style", "marks"), [("bullet", [" • a", " • b"]), ("ordered", [" 1. a", " 2. b"])]
)
def test_lists_have_their_marks(style: str, marks: list[str]) -> None:
    """Items are bulleted or numbered."""
    items = {"type": "rich_text_list", "style": style, "elements": [_line("a"), _line("b")]}

    assert _seen(_rich(items)) == marks


def test_inner_lists_are_indented_and_numbers_go_on() -> None:
    """A list may stand deeper, and may continue an earlier one's count."""
    deep = {"type": "rich_text_list", "style": "bullet", "indent": 1, "elements": [_line("a")]}
    on = {"type": "rich_text_list", "style": "ordered", "offset": 2, "elements": [_line("c")]}

    assert _seen(_rich(deep, on)) == ["   ◦ a", " 3. c"]


def test_links_emoji_and_quotes_are_words() -> None:
    """Everything that a reply may hold has a form here."""
    pieces = {
        "type": "rich_text_quote",
        "elements": [
            {"type": "link", "url": "https://x.example", "text": "x"},
            {"type": "link", "url": "https://y.example"},
            {"type": "emoji", "name": "tada"},
            {"type": "text", "text": " z", "style": {"bold": True, "unheard": True}},
        ],
    }

    assert _seen(_rich(pieces)) == ["  xhttps://y.example:tada: z"]


def test_a_message_without_blocks_is_its_text() -> None:
    """A section is its text too; what we do not know draws nothing."""
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "hello"}}

    assert _seen(text="plain") == ["plain"]
    assert _seen(section, {"type": "actions"}) == ["hello"]
