"""Messages: the thread cache keeps author, text and files."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.messages.message import AuthorKind, Message
from testing.slack_events import ADA, BOT_IDENTITY, make_message, make_reply, message_ts

Json = dict[str, Any]


def test_person_message_has_files() -> None:
    """A person's message keeps author, text and file names."""
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


def test_complete_reply_is_markdown_with_question() -> None:
    """A complete reply keeps its Markdown and its question's `ts`."""
    found = Message.from_slack(
        make_reply(3, "Use a lock.", "```python\nx = 1", question=message_ts(2), part=2),
        BOT_IDENTITY,
    )

    assert found is not None
    assert (found.kind, found.question_ts, found.part) == (AuthorKind.REPLY, message_ts(2), 2)
    assert found.text == "Use a lock.\n\n```python\nx = 1\n```"


@pytest.mark.parametrize("state", ["placeholder", "growing", "error", None])
def test_incomplete_reply_is_ignored(state: str | None) -> None:
    """Placeholders, growing replies and errors are ignored."""
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
def test_own_message_without_metadata_is_ignored(metadata: Json | None) -> None:
    """Notices, and messages with other metadata, are ignored."""
    assert Message.from_slack(make_reply(3, "words") | {"metadata": metadata}, BOT_IDENTITY) is None


def test_invalid_part_number_counts_as_first() -> None:
    """A reply without a valid part number is part 1."""
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
        (
            {"bot_id": "B1", "blocks": make_reply(1, "from blocks")["blocks"]},
            "B1",
            "from blocks\nmay be wrong",
        ),
        ({"bot_id": "B1", "text": " "}, "B1", ""),
    ],
)
def test_other_bot_message_has_name(raw: Json, name: str, text: str) -> None:
    """Another bot's text is read from text, attachments or blocks."""
    found = Message.from_slack(
        {"type": "message", "user": "U9", "ts": message_ts(1), **raw}, BOT_IDENTITY
    )

    assert found is not None
    assert (found.kind, found.name, found.all_text) == (AuthorKind.BOT, name, text)


@pytest.mark.parametrize(
    "raw",
    [
        {"subtype": "channel_join", "user": ADA, "text": "has joined"},
        {"subtype": "tombstone", "user": "USLACKBOT"},
        {"user": "USLACK", "text": "system"},
        {"user": "USLACKBOT", "text": "reminder"},
        {"text": "nobody"},
    ],
)
def test_service_messages_are_ignored(raw: Json) -> None:
    """Joins, tombstones and Slack's own messages are ignored."""
    assert Message.from_slack({"ts": message_ts(1), **raw}, BOT_IDENTITY) is None


def test_message_without_ts_is_ignored() -> None:
    """A message without a `ts` is ignored."""
    assert Message.from_slack({"user": ADA, "text": "hi"}, BOT_IDENTITY) is None


def test_message_survives_json_round_trip() -> None:
    """A message is equal after a round trip through JSON."""
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
def test_any_message_is_parsed_without_error(raw: Json) -> None:
    """Random messages never raise."""
    found = Message.from_slack({"ts": message_ts(1), **raw}, BOT_IDENTITY)

    assert found is None or found.ts == message_ts(1)


def test_app_message_of_a_person_becomes_the_persons() -> None:
    """A tool may post for a person: the author stays, and the app's name goes."""
    raw = make_message(text="it fails", bot_id="B0TOOL0001", username="tool")
    message = Message.from_slack(raw, BOT_IDENTITY)

    assert message is not None
    assert message.can_be_person
    person = message.as_person()
    assert (person.kind, person.author, person.name) == (AuthorKind.PERSON, message.author, None)
    assert not person.can_be_person
