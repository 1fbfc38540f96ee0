"""A thread's copy holds what was said, by whom, and nothing else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.messages.message import AuthorKind, Message
from testing.slack_events import ADA, BOT_IDENTITY, make_message, make_reply, message_ts

Json = dict[str, Any]


def test_a_persons_message_is_kept_with_its_files() -> None:
    """Author, text and the names of files are all that is remembered of a person's message."""
    files = [{"name": "error.log"}, {"title": "Notes"}, {}, "odd"]
    found = Message.from_slack(
        make_message(2, "hi\ud800", files=files, reactions=[{"name": "eyes"}]), BOT_IDENTITY
    )

    assert found == Message(
        ts=message_ts(2),
        kind=AuthorKind.PERSON,
        author=ADA,
        text="hi?",
        files=("error.log", "Notes"),
    )


def test_a_finished_reply_is_kept_as_markdown_with_its_question() -> None:
    """What we said is recovered from Slack with the question that it answers."""
    found = Message.from_slack(
        make_reply(3, "Use a lock.", "```python\nx = 1", question=message_ts(2), part=2),
        BOT_IDENTITY,
    )

    assert found is not None
    assert (found.kind, found.question_ts, found.part) == (AuthorKind.REPLY, message_ts(2), 2)
    assert found.text == "Use a lock.\n\n```python\nx = 1\n```"


@pytest.mark.parametrize("state", ["placeholder", "growing", "error", None])
def test_a_reply_that_is_not_finished_is_no_turn(state: str | None) -> None:
    """Placeholders, growing text and errors are not what we said."""
    assert Message.from_slack(make_reply(3, "words", state=state), BOT_IDENTITY) is None


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {
            "event_type": "another_app",
            "event_payload": {"state": "final", "question": message_ts(1)},
        },
        {"event_type": "starchat_reply"},
        {"event_type": "starchat_reply", "event_payload": {"state": "final", "question": 7}},
    ],
)
def test_an_own_message_without_our_metadata_is_no_turn(metadata: Json | None) -> None:
    """Notices of the bot, and what somebody else's metadata says, are left out."""
    assert Message.from_slack(make_reply(3, "words") | {"metadata": metadata}, BOT_IDENTITY) is None


def test_an_odd_part_number_counts_as_the_first() -> None:
    """A reply of an older version without part numbers is still read."""
    said = make_reply(3, "words")
    said["metadata"]["event_payload"]["part"] = "second"
    found = Message.from_slack(said, BOT_IDENTITY)

    assert found is not None
    assert found.part == 1


@pytest.mark.parametrize(
    ("raw", "name", "text"),
    [
        ({"bot_id": "B1", "username": "deploybot", "text": "v2 is out"}, "deploybot", "v2 is out"),
        ({"bot_id": "B1", "bot_profile": {"name": "ci"}, "text": "red"}, "ci", "red"),
        ({"subtype": "bot_message", "bot_id": "B1", "text": "x"}, "B1", "x"),
        (
            {"bot_id": "B1", "attachments": [{"title": "Build 7", "text": "red", "fallback": "x"}]},
            "B1",
            "Build 7\nred",
        ),
        ({"bot_id": "B1", "attachments": [{}, {"fallback": "failed"}]}, "B1", "failed"),
        ({"bot_id": "B1", "blocks": make_reply(1, "from blocks")["blocks"]}, "B1", "from blocks"),
        ({"bot_id": "B1", "text": " "}, "B1", ""),
    ],
)
def test_another_bots_post_is_kept_with_its_name(raw: Json, name: str, text: str) -> None:
    """What other bots said counts as context, wherever they put their words."""
    found = Message.from_slack(
        {"type": "message", "user": "U9", "ts": message_ts(1), **raw}, BOT_IDENTITY
    )

    assert found is not None
    assert (found.kind, found.name, found.text) == (AuthorKind.BOT, name, text)


@pytest.mark.parametrize(
    "raw",
    [
        {"subtype": "channel_join", "user": ADA, "text": "has joined"},
        {"subtype": "tombstone", "user": "USLACKBOT"},
        {"user": "USLACK", "text": "system"},
        {"user": "USLACKBOT", "text": "reminder"},
        {"text": "nobody"},
        {"subtype": ["odd"], "user": ADA},
    ],
)
def test_what_nobody_said_is_left_out(raw: Json) -> None:
    """Joins, tombstones and Slack's own words are no part of a conversation."""
    assert Message.from_slack({"ts": message_ts(1), **raw}, BOT_IDENTITY) is None


def test_a_message_without_a_timestamp_is_left_out() -> None:
    """Without a timestamp a message has no place in a thread."""
    assert Message.from_slack({"user": ADA, "text": "hi"}, BOT_IDENTITY) is None


def test_a_message_survives_its_way_through_redis() -> None:
    """What is stored is read back as it was."""
    found = Message.from_slack(make_reply(3, "words"), BOT_IDENTITY)

    assert found is not None
    assert Message.model_validate_json(found.model_dump_json()) == found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
FIELDS = ("user", "text", "bot_id", "bot_profile", "username", "metadata", "blocks", "files")


@given(st.dictionaries(st.sampled_from([*FIELDS, "subtype", "attachments"]), JSON))
def test_no_message_is_too_strange_to_read(raw: Json) -> None:
    """Whatever Slack sends one day, the bot goes on."""
    found = Message.from_slack({"ts": message_ts(1), **raw}, BOT_IDENTITY)

    assert found is None or found.ts == message_ts(1)
