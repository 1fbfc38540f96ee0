"""`chat.*`: posting, editing, deleting and permalinks."""

import json
from typing import Any

import pytest

from fakeslack.state.messages import PostOptions
from testing.in_memory_workspace import ADA, GENERAL, LIN, STARCHAT, InMemoryWorkspace

Json = dict[str, Any]


DIVIDER = {"type": "divider"}


METADATA = {"event_type": "reply", "event_payload": {"job": "1"}}


@pytest.fixture
def slack() -> InMemoryWorkspace:
    """A fresh workspace."""
    return InMemoryWorkspace()


def test_a_post_carries_the_bots_identity(slack: InMemoryWorkspace) -> None:
    """The response holds the message as stored."""
    answer = slack.call_method(
        "chat.postMessage",
        channel="#general",
        text="hi",
        blocks=json.dumps([DIVIDER]),
        metadata=json.dumps(METADATA),
        unfurl_media="false",
    )
    message = slack.workspace.get_message(GENERAL, answer["ts"])
    assert answer["message"] == message.body
    assert (message.user, message.body["bot_id"]) == (STARCHAT, "B0STARCHAT")
    assert message.body["metadata"] == METADATA
    assert message.body["blocks"] == [{**DIVIDER, "block_id": "b0"}]
    assert message.options == PostOptions(unfurl_media=False)


def test_a_post_to_a_person_is_a_direct_message(slack: InMemoryWorkspace) -> None:
    """A user id instead of a channel id opens the direct message."""
    pair = slack.workspace.open_dm([ADA, STARCHAT])
    assert slack.call_method("chat.postMessage", channel=ADA, text="hi")["channel"] == pair.id


def test_a_broadcast_reply_is_shown_in_the_channel(slack: InMemoryWorkspace) -> None:
    """`reply_broadcast` without a thread is refused."""
    root = slack.post_message("a")
    arguments = {"channel": GENERAL, "text": "b", "reply_broadcast": True}
    answer = slack.call_method("chat.postMessage", thread_ts=root.ts, **arguments)
    assert answer["message"]["subtype"] == "thread_broadcast"
    assert slack.expect_error("chat.postMessage", **arguments) == "invalid_arguments"


def test_long_text_is_truncated_in_posts_and_refused_in_edits(
    slack: InMemoryWorkspace,
) -> None:
    """Posts keep 40,000 characters with a warning; edits allow 4,000."""
    answer = slack.call_method("chat.postMessage", channel=GENERAL, text="a" * 40_001)
    assert len(answer["message"]["text"]) == 40_000
    assert answer["warning"] == "message_truncated"
    edit = {"channel": GENERAL, "ts": answer["ts"]}
    assert slack.expect_error("chat.update", **edit, text="a" * 4_001) == "msg_too_long"
    slack.call_method("chat.update", **edit, text="a" * 4_000)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"channel": ""}, "invalid_arguments"),
        ({"channel": "C0NOWHERE1"}, "channel_not_found"),
        ({"text": ""}, "no_text"),
        ({"text": " \n"}, "no_text"),
        ({"text": "", "blocks": "[{"}, "invalid_blocks_format"),
        ({"blocks": {"type": "divider"}}, "invalid_blocks_format"),
        ({"blocks": [{"type": "poem"}]}, "invalid_blocks"),
        ({"markdown_text": "a"}, "markdown_text_conflict"),
        ({"text": None, "markdown_text": "a", "blocks": [DIVIDER]}, "markdown_text_conflict"),
        ({"text": None, "markdown_text": "a" * 12_001}, "msg_too_long"),
        ({"attachments": [{"text": "a"}] * 101}, "too_many_attachments"),
        ({"metadata": "[]"}, "invalid_metadata_format"),
        ({"metadata": {"event_type": 1}}, "invalid_metadata_format"),
        ({"metadata": {**METADATA, "more": 1}}, "invalid_metadata_format"),
        ({"metadata": {"event_payload": {}}}, "invalid_metadata_format"),
        ({"metadata": {"entities": {}}}, "invalid_metadata_format"),
        ({"attachments": ["a"]}, "invalid_attachments"),
        ({"metadata": {"event_type": "a", "event_payload": []}}, "invalid_metadata_format"),
        (
            {"metadata": {"event_type": "a", "event_payload": {"x": "a" * 8_000}}},
            "metadata_too_large",
        ),
        ({"thread_ts": "1.000000"}, "thread_not_found"),
    ],
    ids=range(20),
)
def test_an_invalid_post_is_refused(slack: InMemoryWorkspace, arguments: Json, error: str) -> None:
    """Each fault has Slack's error name."""
    assert (
        slack.expect_error("chat.postMessage", **{"channel": GENERAL, "text": "a", **arguments})
        == error
    )


def test_markdown_text_becomes_a_markdown_block(slack: InMemoryWorkspace) -> None:
    """`markdown_text` replaces text and blocks."""
    answer = slack.call_method("chat.postMessage", channel=GENERAL, markdown_text="# a")
    [block] = answer["message"]["blocks"]
    assert (block["type"], block["text"]) == ("markdown", "# a")
    assert answer["message"]["text"] == "# a"


def test_the_bot_posts_only_in_its_channels(slack: InMemoryWorkspace) -> None:
    """Unknown, foreign and archived channels have distinct errors."""
    foreign = slack.workspace.create_channel("foreign", [ADA]).id
    private = slack.workspace.create_channel("den", [ADA], is_private=True).id
    own = slack.call_method("chat.postMessage", channel=GENERAL, text="a")["ts"]
    slack.workspace.archive_channel(GENERAL)
    post, edit = "chat.postMessage", {"ts": own, "text": "b"}
    assert slack.expect_error(post, channel=foreign, text="a") == "not_in_channel"
    assert slack.expect_error(post, channel=private, text="a") == "channel_not_found"
    assert slack.expect_error(post, channel=GENERAL, text="a") == "is_archived"
    assert slack.expect_error("chat.update", channel=GENERAL, **edit) == "is_inactive"
    assert slack.expect_error("chat.update", channel=foreign, **edit) == "not_in_channel"


@pytest.mark.parametrize("more", [{}, METADATA])
def test_work_objects_stay_in_the_metadata(slack: InMemoryWorkspace, more: Json) -> None:
    """`entities` come alone or beside an event."""
    metadata = {"entities": [{"entity_type": "slack#/entities/task"}], **more}
    arguments = {"channel": GENERAL, "text": "a", "metadata": metadata}
    message = slack.call_method("chat.postMessage", **arguments)["message"]

    assert message["metadata"] == metadata


def test_an_edit_replaces_only_given_fields(slack: InMemoryWorkspace) -> None:
    """Text alone replaces the blocks; blocks alone keep the text; metadata stays."""
    arguments = {"channel": GENERAL, "text": "a", "metadata": METADATA, "unfurl_media": False}
    ts = slack.call_method("chat.postMessage", **arguments, blocks=[DIVIDER])["ts"]
    message = slack.call_method("chat.update", channel=GENERAL, ts=ts, blocks=[DIVIDER, DIVIDER])[
        "message"
    ]
    assert (message["text"], len(message["blocks"])) == ("a", 2)
    assert "edited" not in message
    message = slack.call_method("chat.update", channel=GENERAL, ts=ts, text="b")["message"]
    assert message["edited"]["user"] == "B0STARCHAT"
    assert message["metadata"] == METADATA
    assert [block["type"] for block in message["blocks"]] == ["rich_text"]
    assert not slack.workspace.get_message(GENERAL, ts).options.unfurl_media
    message = slack.call_method("chat.update", channel=GENERAL, ts=ts, text="b", metadata={})[
        "message"
    ]
    assert "metadata" not in message


def test_only_the_bots_messages_can_be_edited_and_deleted(slack: InMemoryWorkspace) -> None:
    """Others' messages, missing ones and tombstones have distinct errors."""
    hers = slack.post_message("a").ts
    mine = slack.call_method("chat.postMessage", channel=GENERAL, text="a")["ts"]
    slack.post_message("b", thread_ts=mine)
    where = {"channel": GENERAL}
    assert slack.expect_error("chat.update", **where, ts=hers, text="b") == "cant_update_message"
    assert slack.expect_error("chat.delete", **where, ts=hers) == "cant_delete_message"
    assert slack.expect_error("chat.delete", **where, ts="1.000000") == "message_not_found"
    assert slack.call_method("chat.delete", **where, ts=mine) == {**where, "ts": mine}
    assert slack.expect_error("chat.delete", **where, ts=mine) == "message_not_found"


def test_an_ephemeral_post_needs_a_member(slack: InMemoryWorkspace) -> None:
    """The text has a limit."""
    arguments = {"channel": GENERAL, "text": "psst"}
    ts = slack.call_method("chat.postEphemeral", user=ADA, **arguments)["message_ts"]
    assert slack.workspace.find_ephemeral(GENERAL, ADA, ts) is not None
    slack.workspace.leave_channel(GENERAL, LIN)
    assert slack.expect_error("chat.postEphemeral", user=LIN, **arguments) == "user_not_in_channel"
    long = {"channel": GENERAL, "text": "a" * 40_001}
    assert slack.expect_error("chat.postEphemeral", user=ADA, **long) == "msg_too_long"


def test_a_permalink_names_message_and_thread(slack: InMemoryWorkspace) -> None:
    """A reply's permalink names its thread."""
    root = slack.post_message("a")
    reply = slack.post_message("b", thread_ts=root.ts)

    def get_permalink(ts: str) -> str:
        found = slack.call_method("chat.getPermalink", channel=GENERAL, message_ts=ts)["permalink"]
        return str(found)

    digits = root.ts.replace(".", "")
    assert get_permalink(root.ts) == f"http://slack.test/archives/{GENERAL}/p{digits}"
    assert get_permalink(reply.ts).endswith(f"?thread_ts={root.ts}&cid={GENERAL}")
