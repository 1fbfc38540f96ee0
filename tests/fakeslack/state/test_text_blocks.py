"""Blocks that Slack adds to messages of text alone: which messages get one, and where it shows."""

import random
from typing import Any

import pytest

from fakeslack.delivery.events import EventBuilder
from fakeslack.state.messages import Message, PostOptions
from fakeslack.state.mrkdwn import find_pings, find_unfurls
from fakeslack.state.trigger_ids import ResponseUrl
from fakeslack.web_api.responses import apply_response
from testing.in_memory_workspace import ADA, GENERAL, STARCHAT, InMemoryWorkspace

Json = dict[str, Any]
DIVIDER: Json = {"type": "divider", "block_id": "d"}
ATTACHED: Json = {"attachments": [{"text": "below"}]}


@pytest.fixture
def slack() -> InMemoryWorkspace:
    """A fresh workspace."""
    return InMemoryWorkspace()


def read_blocks(body: Json) -> str:
    """Return the words of a message's `rich_text` block; the kinds of its blocks if it has none."""
    blocks = body.get("blocks", [])
    if [block["type"] for block in blocks] != ["rich_text"]:
        return ",".join(block["type"] for block in blocks)
    assert blocks[0]["block_id"]
    [section] = blocks[0]["elements"]
    return "".join(element.get("text", "@") for element in section["elements"])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"text": "a *b*"}, "a b"),
        ({"text": "a", "subtype": "thread_broadcast"}, "a"),
        ({"text": "a", "subtype": "file_share"}, "a"),
        ({"text": "a", **ATTACHED}, "a"),
        ({"text": ""}, ""),
        ({"text": "a", "blocks": [DIVIDER]}, "divider"),
        ({"text": "a", "blocks": []}, ""),
        ({"text": "a", "bot_id": "B1"}, "a"),
        ({"text": "a", "bot_id": "B1", **ATTACHED}, ""),
        ({"text": "a", "bot_id": "B1", "streaming_state": "in_progress"}, ""),
        ({"text": "a", "subtype": "channel_join"}, ""),
        ({"text": "a", "subtype": "me_message"}, ""),
    ],
)
def test_messages_of_text_alone_get_a_block(
    slack: InMemoryWorkspace, fields: Json, words: str
) -> None:
    """An app's attachments, a stream and Slack's own messages get none."""
    posted = slack.workspace.post_message(GENERAL, {"user": ADA, **fields})
    shown = slack.workspace.post_ephemeral(GENERAL, ADA, {"user": STARCHAT, **fields})

    assert (read_blocks(posted.body), read_blocks(shown.body)) == (words, words)
    assert read_blocks(posted.to_tombstone().body) == ""


def test_answer_history_and_event_carry_the_same_block(slack: InMemoryWorkspace) -> None:
    """The block is made once, when the message is posted."""
    builder = EventBuilder(slack.workspace, random.Random(1))  # noqa: S311 - repeatable
    mention = f"<@{STARCHAT}> hi"
    posted = slack.post_message(mention)
    events = builder.build_events(slack.changes[-1])
    answer = slack.call_method("chat.postMessage", channel=GENERAL, text=mention)
    page = slack.call_method("conversations.history", channel=GENERAL)["messages"]

    assert [read_blocks(event) for event in events] == ["@ hi", "@ hi"]
    assert read_blocks(answer["message"]) == "@ hi"
    assert page[0]["blocks"] is answer["message"]["blocks"]
    assert page[1]["blocks"] is posted.body["blocks"] is events[0]["blocks"]


def test_edits_replace_the_block(slack: InMemoryWorkspace) -> None:
    """A person's edit and an app's update of the text get a new one; other changes keep it."""
    posted = slack.post_message("one")
    edited = slack.workspace.edit_message(posted, ADA, text="two *x*", blocks=None)
    assert read_blocks(edited.body) == "two x"
    assert edited.body["blocks"][0]["block_id"] != posted.body["blocks"][0]["block_id"]

    ts = slack.call_method("chat.postMessage", channel=GENERAL, text="a")["ts"]
    changes: list[tuple[Json, str]] = [
        ({"text": "b"}, "b"),
        ({"blocks": [DIVIDER]}, "divider"),
        ({"attachments": [{"text": "below"}]}, "divider"),
        ({"text": "c", "attachments": []}, "c"),
        ({"blocks": [DIVIDER], "text": "d"}, "divider"),
        ({"markdown_text": "*e*"}, "markdown"),
        ({"text": "*f*"}, "f"),
    ]
    for change, words in changes:
        message = slack.call_method("chat.update", channel=GENERAL, ts=ts, **change)["message"]
        assert read_blocks(message) == words
    assert message["text"] == "*f*"


def test_update_with_markdown_text_replaces_the_text(slack: InMemoryWorkspace) -> None:
    """It counts as an edit of the text."""
    ts = slack.call_method("chat.postMessage", channel=GENERAL, text="old")["ts"]
    update = {"channel": GENERAL, "ts": ts, "markdown_text": "**new**"}
    message = slack.call_method("chat.update", **update)["message"]

    assert (message["text"], message["edited"]["user"]) == ("**new**", "B0STARCHAT")
    assert message["blocks"][0]["text"] == "**new**"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "b @"),
        ({"mrkdwn": False}, "*b* @"),
        ({"parse": "full"}, "*b* @"),
        ({"parse": "none"}, "b https://a.b"),
    ],
)
def test_caller_chooses_what_is_parsed(slack: InMemoryWorkspace, options: Json, words: str) -> None:
    """`mrkdwn=false` and `parse=full` leave styles as text, `parse=none` URLs."""
    arguments = {"channel": GENERAL, "text": "*b* https://a.b"} | options
    assert read_blocks(slack.call_method("chat.postMessage", **arguments)["message"]) == words


def test_answers_to_commands_and_buttons_get_a_block(slack: InMemoryWorkspace) -> None:
    """In the channel, to one person, and in place of a message."""
    command = ResponseUrl(GENERAL, ADA, None, 0.0)
    apply_response(slack.workspace, command, {"text": "one"})
    apply_response(slack.workspace, command, {"text": "*two*", "response_type": "in_channel"})
    ephemeral, posted = (change.message for change in slack.changes[-2:])
    assert ephemeral is not None
    assert posted is not None
    assert (read_blocks(ephemeral.body), read_blocks(posted.body)) == ("one", "two")

    for original in (ephemeral, posted):
        press = ResponseUrl(GENERAL, ADA, original, 0.0)
        replacement = {"text": "*now*", "mrkdwn": False, "replace_original": True}
        apply_response(slack.workspace, press, replacement)
        replaced = slack.changes[-1].message
        assert replaced is not None
        assert read_blocks(replaced.body) == "*now*"


def test_pings_and_unfurls_are_found_once() -> None:
    """The text and its block name the same people and pages."""
    text = "<@U1|ada> see https://a.b/?c=1&amp;d, <!here> and <https://e.f|g>"
    message = Message("C1", {"ts": "1.000000", "text": text}, PostOptions()).with_text_block()

    assert find_pings(message) == ["<@U1|ada>", "<!here>"]
    assert find_unfurls(message) == ["https://a.b/?c=1&d", "https://e.f"]
