"""Shapes of Slack's messages: each visible word reaches the conversation exactly once."""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest

from bot.messages.conversation import build_conversation, users_to_resolve
from bot.messages.message import Message
from testing.slack_events import BOT_IDENTITY, LIN, make_message, message_ts
from worker.prompt.file_excerpts import show_preview

Json = dict[str, Any]

SHAPES: Final = [
    shape
    for path in sorted(Path(__file__).with_name("shapes").glob("*.json"))
    for shape in json.loads(path.read_text("utf-8"))
]
MIN_SHAPES: Final = 30
NAMES: Final = {LIN: "Lin"}


def read_turn(raw: Json) -> str:
    """Return the last turn of a conversation whose last message is this one, with its files."""
    message = Message.from_slack({**make_message(1, ""), **raw}, BOT_IDENTITY)
    assert message is not None
    users = users_to_resolve([message], until=message_ts(1), identity=BOT_IDENTITY)
    names = {user: NAMES[user] for user in users & NAMES.keys()}
    turns = build_conversation([message], until=message_ts(1), identity=BOT_IDENTITY, names=names)
    return "\n".join([turns[-1].text, *map(show_preview, turns[-1].files)])


def count_word(text: str, word: str) -> int:
    """Count a whole word."""
    return len(re.findall(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", text))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape["name"])
def test_each_visible_word_reaches_the_model_once(shape: Json) -> None:
    """People and apps, forwards and previews, files and blocks: nothing is lost or doubled."""
    text = read_turn(shape["message"])

    assert {word: count_word(text, word) for word in shape["words"]} == dict.fromkeys(
        shape["words"], 1
    ), text
    assert [word for word in shape.get("absent", ()) if count_word(text, word)] == [], text


def test_corpus_is_large() -> None:
    """The corpus holds the promised number of shapes, each with its own name."""
    assert len({shape["name"] for shape in SHAPES}) == len(SHAPES) >= MIN_SHAPES
