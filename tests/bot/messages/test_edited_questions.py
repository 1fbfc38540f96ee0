"""Edits: one that mentions the bot for the first time is a question; a preview is no edit."""

from typing import Any

import pytest

from bot.messages.event_parser import parse_event
from bot.messages.events import MessageChanged
from fakeslack.block_kit.text_blocks import build_text_block
from testing.slack_events import (
    ADA,
    BOT_IDENTITY,
    CHANNEL,
    LIN,
    MENTION,
    make_body,
    make_message,
    message_ts,
)

Json = dict[str, Any]
PREVIEW: Json = {"attachments": [{"from_url": "https://a.example", "title": "A page"}]}
FORWARD: Json = {"attachments": [{"is_share": True, "text": f"{MENTION} what is it?"}]}


def change_message(before: Json | None, after: Json) -> MessageChanged:
    """Parse the event of a change."""
    event: Json = {
        "type": "message",
        "subtype": "message_changed",
        "hidden": True,
        "ts": message_ts(9),
        "event_ts": message_ts(9),
        "message": after,
        "previous_message": before,
    }
    found = parse_event(make_body(event), BOT_IDENTITY)
    assert isinstance(found, MessageChanged)
    return found


def edited(message: Json) -> Json:
    """Return a message with Slack's mark of an edit."""
    return {**message, "edited": {"user": ADA, "ts": message_ts(9)}}


def add_block(message: Json) -> Json:
    """Return a message with the block that Slack makes of its text."""
    return {**message, "blocks": [build_text_block(message["text"])]}


def test_block_that_slack_adds_is_no_edit() -> None:
    """The words are the same, though the block spells their styles in another way."""
    before = make_message(2, f"{MENTION} is *this* right?\n```x = 1```")
    words = {**before, "text": before["text"].replace("x", "y")}

    assert not change_message(before, add_block(before)).is_edit
    assert not change_message(add_block(before), before).is_edit
    assert not change_message(add_block(before), {**add_block(before), **PREVIEW}).is_edit
    assert change_message(before, add_block(words)).is_edit
    assert change_message(add_block(before), add_block(words)).is_edit


def test_mention_added_by_edit_is_a_question() -> None:
    """The edited message asks as if it had just been posted, in its own thread."""
    after = edited(make_message(2, f"{MENTION} why?", thread_ts=message_ts(1)))
    question = change_message(make_message(2, "why?", thread_ts=message_ts(1)), after).question

    assert question is not None
    assert question.can_ask
    assert (question.thread.channel, question.thread.ts) == (CHANNEL, message_ts(1))
    assert (question.ts, question.author, question.text) == (
        message_ts(2),
        ADA,
        f"{MENTION} why?",
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (make_message(2, f"{MENTION} wy?"), make_message(2, f"{MENTION} why?")),
        (make_message(2, "wy?"), make_message(2, "why?")),
        (make_message(2, "wy?"), make_message(2, f"<@{LIN}> why?")),
        (make_message(2, "hi"), make_message(2, "hi", **FORWARD)),
        (make_message(2, "hi"), make_message(2, f"{MENTION} hi", subtype="channel_topic")),
        (make_message(2, "hi"), make_message(2, f"{MENTION} hi", user=BOT_IDENTITY.user_id)),
        (make_message(2, "hi"), make_message(2, f"{MENTION} hi", user=None)),
    ],
)
def test_other_edits_are_no_new_questions(before: Json, after: Json) -> None:
    """An edit is a new question only if its author mentions the bot and did not before."""
    assert change_message(before, edited(after)).question is None


def test_edit_without_previous_message_may_be_a_question() -> None:
    """Without the earlier text, only the bot's own record tells whether it was asked."""
    assert change_message(None, edited(make_message(2))).question is not None


def test_preview_is_no_edit() -> None:
    """Words of a preview are new content, but its author changed nothing."""
    found = change_message(make_message(2, "hi"), make_message(2, "hi", **PREVIEW))

    assert (found.is_edit, found.is_unfurl) == (False, True)
    assert found.message is not None
    assert found.message.attachments == "A page"


def test_unchanged_message_is_neither_edit_nor_preview() -> None:
    """Reactions and reply counts change no content."""
    found = change_message(make_message(2, "hi"), make_message(2, "hi", reply_count=3))

    assert (found.is_edit, found.is_unfurl) == (False, False)
