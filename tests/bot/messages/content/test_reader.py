"""Content reader: any payload is read, within bounds, and stand-ins are no words."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.messages.content.reader import (
    CUT_NOTE,
    MAX_ATTACHED_CHARACTERS,
    MAX_ATTACHMENTS,
    read_content,
)

Json = dict[str, Any]
STAND_IN = "This content can't be displayed."
UNSEEN_BLOCK: Json = {"type": "divider"}


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"text": STAND_IN, "blocks": [UNSEEN_BLOCK]}, ""),
        ({"text": "This content can’t be displayed", "attachments": [{"text": "x"}]}, ""),
        ({"text": STAND_IN}, STAND_IN),
        ({"text": "A title", "blocks": [UNSEEN_BLOCK]}, "A title"),
        ({"text": "[no preview available]", "attachments": [{}]}, ""),
    ],
)
def test_stand_in_is_text_only_if_nothing_else_is_there(message: Json, text: str) -> None:
    """Slack's sentence for content without text is dropped; a person may still write it."""
    assert read_content(message).text == text


def test_fallback_is_read_only_without_other_words() -> None:
    """Slack shows `fallback` on old clients, and Slack's stand-in is no fallback."""
    assert (
        read_content({"attachments": [{"fallback": "red", "text": "blue"}]}).attachments == "blue"
    )
    assert read_content({"attachments": [{"fallback": "red"}]}).attachments == "red"
    assert read_content({"attachments": [{"fallback": "[no preview available]"}]}).attachments == ""


def test_attachment_equal_to_text_is_not_repeated() -> None:
    """An app that sends its text twice is quoted once."""
    assert read_content({"text": "red", "attachments": [{"text": "red"}]}).attachments == ""


def test_attachments_are_bounded_in_number_and_size() -> None:
    """A note says that more is attached; the author's own words are never cut."""
    many = [{"text": f"line {number}"} for number in range(MAX_ATTACHMENTS + 1)]
    large = read_content({"text": "x" * 100_000, "attachments": [{"text": "y" * 100_000}]})

    assert read_content({"attachments": many}).attachments.count("line") == MAX_ATTACHMENTS
    assert len(large.text) == 100_000
    assert len(large.attachments) == MAX_ATTACHED_CHARACTERS + len(f"\n{CUT_NOTE}")
    assert large.attachments.endswith(CUT_NOTE)


def nest_messages(levels: int) -> Json:
    """Return a message that is forwarded inside forwarded messages."""
    message: Json = {"text": "bottom"}
    for _ in range(levels):
        share = {"is_share": True, "text": "", "message_blocks": [{"message": message}]}
        message = {"text": "level", "attachments": [share]}
    return message


def nest_containers(levels: int) -> Json:
    """Return a block that contains blocks."""
    block: Json = {"type": "section", "text": {"type": "mrkdwn", "text": "bottom"}}
    for _ in range(levels):
        block = {"type": "container", "child_blocks": [block]}
    return block


def test_deep_nesting_is_cut_off() -> None:
    """Nested messages and blocks are read to a depth that Slack's own payloads never reach."""
    assert "bottom" in read_content(nest_messages(3)).attachments
    assert "bottom" not in read_content(nest_messages(900)).attachments
    assert "bottom" in read_content({"blocks": [nest_containers(3)]}).text
    assert read_content({"blocks": [nest_containers(900)]}).text == ""


HOSTILE_TEXTS = [
    *("<" * 200_000, "<@" * 100_000, "<!" * 100_000, "<#C|" * 50_000, "`" * 200_000),
    *("```" + " " * 200_000 + "x", "``` " * 50_000, ":a" * 100_000, "&" * 200_000),
    "*_~" * 70_000,
]


@pytest.mark.parametrize(
    "text", HOSTILE_TEXTS, ids=[str(number) for number in range(len(HOSTILE_TEXTS))]
)
def test_hostile_text_is_read_in_linear_time(text: str) -> None:
    """Long runs of one sign end within the test's time limit, in every place for text."""
    element = {"type": "text", "text": text, "style": {"code": True}}
    section = {"type": "rich_text_section", "elements": [element]}
    blocks = [
        {"type": "rich_text", "elements": [section]},
        {"type": "section", "text": {"type": "mrkdwn", "text": text}},
        {"type": "header", "text": {"type": "plain_text", "text": text}},
    ]
    attachments = [{"text": text, "title": text, "fields": [{"title": text, "value": text}]}]

    assert read_content({"text": text, "blocks": blocks, "attachments": attachments}).text
    assert read_content({"text": text}).text


NAMES = (
    *("type", "text", "blocks", "attachments", "files", "elements", "fields", "message_blocks"),
    *("message", "rows", "style", "title", "value", "user_id", "is_share", "preview", "mode"),
    *("author_name", "fallback", "options", "accessory", "url", "language", "offset", "indent"),
)
KINDS = (
    *("rich_text", "rich_text_list", "rich_text_section", "rich_text_preformatted", "section"),
    *("mrkdwn", "plain_text", "table", "raw_number", "checkboxes", "file", "snippet", "user"),
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=8)
    | st.sampled_from(KINDS),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_any_message_is_read_without_error(raw: Json) -> None:
    """Random payloads with Slack's field names never raise."""
    content = read_content(raw)

    assert isinstance(content.all_text, str)
    assert len(content.attachments) <= MAX_ATTACHED_CHARACTERS + len(f"\n{CUT_NOTE}")


def test_snippet_shown_whole_has_no_note_about_more_lines() -> None:
    """Slack says whether its preview is cut."""
    snippet = {"name": "a.py", "mode": "snippet", "filetype": "python", "preview": "x = 1"}
    whole, cut = (
        read_content({"text": "see", "files": [snippet | {"preview_is_truncated": is_cut}]})
        for is_cut in (False, True)
    )
    assert whole.attachments.endswith("```python\nx = 1\n```")
    assert cut.attachments == f"{whole.attachments}\n(the file has more lines)"


def test_deeply_nested_rich_text_ends() -> None:
    """Elements within elements are read to a fixed depth."""
    element: Json = {"type": "rich_text_section", "elements": [{"type": "text", "text": "deep"}]}
    for depth in range(10):
        words = {"type": "text", "text": f"level {depth}"}
        element = {"type": "rich_text_section", "elements": [words, element]}
    text = read_content({"blocks": [{"type": "rich_text", "elements": [element]}]}).text
    assert "level 9" in text
    assert "deep" not in text
