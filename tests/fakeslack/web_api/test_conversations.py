"""`conversations.*`: history, replies, members, listing and direct messages."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testing.in_memory_workspace import ADA, GENERAL, LIN, STARCHAT, InMemoryWorkspace

Json = dict[str, Any]


@pytest.fixture
def slack() -> InMemoryWorkspace:
    """A fresh workspace."""
    return InMemoryWorkspace()


def message_texts(messages: list[Json]) -> list[str]:
    """Return the texts of messages."""
    return [message["text"] for message in messages]


@given(st.integers(0, 12), st.integers(1, 5))
def test_every_page_of_replies_starts_with_the_root(count: int, limit: int) -> None:
    """Replies come once, oldest first."""
    slack = InMemoryWorkspace()
    root = slack.post_message("root").ts
    expected = [slack.post_message(str(number), thread_ts=root).text for number in range(count)]
    replies: list[str] = []
    cursor = ""
    while True:
        page = slack.call_method(
            "conversations.replies", channel=GENERAL, ts=root, limit=limit, cursor=cursor
        )
        assert page["messages"][0]["text"] == "root"
        replies += message_texts(page["messages"][1:])
        if not page["has_more"]:
            break
        cursor = page["response_metadata"]["next_cursor"]
    assert replies == expected


def test_metadata_is_returned_on_request(slack: InMemoryWorkspace) -> None:
    """Without `include_all_metadata` there is none."""
    metadata = {"event_type": "reply", "event_payload": {}}
    ts = slack.call_method("chat.postMessage", channel=GENERAL, text="a", metadata=metadata)["ts"]
    where = {"channel": GENERAL, "ts": ts}
    [message] = slack.call_method("conversations.replies", **where)["messages"]
    assert "metadata" not in message
    [message] = slack.call_method("conversations.replies", **where, include_all_metadata=True)[
        "messages"
    ]
    assert message["metadata"] == metadata


def test_oldest_and_latest_limit_replies_not_the_root(slack: InMemoryWorkspace) -> None:
    """The root is always included."""
    root = slack.post_message("root").ts
    first, second = (slack.post_message(text, thread_ts=root) for text in "ab")
    where = {"channel": GENERAL, "ts": root}
    later = slack.call_method("conversations.replies", **where, oldest=first.ts)["messages"]
    assert message_texts(later) == ["root", "b"]
    both = slack.call_method("conversations.replies", **where, latest=second.ts, inclusive="true")
    assert message_texts(both["messages"]) == ["root", "a", "b"]
    [reply] = slack.call_method("conversations.replies", channel=GENERAL, ts=second.ts)["messages"]
    assert reply["text"] == "b"


def test_history_is_newest_first(slack: InMemoryWorkspace) -> None:
    """Roots carry their reply counts; replies are omitted."""
    root = slack.post_message("a").ts
    slack.post_message("b", thread_ts=root)
    slack.post_message("c")
    page = slack.call_method("conversations.history", channel=GENERAL, limit=1)
    assert message_texts(page["messages"]) == ["c"]
    cursor = page["response_metadata"]["next_cursor"]
    [message] = slack.call_method("conversations.history", channel=GENERAL, cursor=cursor)[
        "messages"
    ]
    assert (message["text"], message["reply_count"]) == ("a", 1)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"ts": "1.000000"}, "thread_not_found"),
        ({"limit": 0}, "invalid_limit"),
        ({"limit": "many"}, "invalid_limit"),
        ({"oldest": "yesterday"}, "invalid_ts_oldest"),
        ({"latest": "now"}, "invalid_ts_latest"),
        ({"cursor": "!"}, "invalid_cursor"),
    ],
    ids=range(6),
)
def test_an_invalid_read_is_refused(slack: InMemoryWorkspace, arguments: Json, error: str) -> None:
    """Each fault has Slack's error name."""
    root = slack.post_message("a").ts
    assert (
        slack.expect_error("conversations.replies", channel=GENERAL, **{"ts": root, **arguments})
        == error
    )


def test_reading_needs_membership_and_scope(slack: InMemoryWorkspace) -> None:
    """A channel without the bot or without a scope can't be read."""
    foreign = slack.workspace.create_channel("foreign", [ADA])
    ts = slack.post_message("a", channel=foreign.id).ts
    arguments = {"channel": foreign.id, "ts": ts}
    assert slack.expect_error("conversations.replies", **arguments) == "not_in_channel"
    slack.workspace.app.scopes -= {"channels:history", "channels:read"}
    assert slack.expect_error("conversations.history", channel=GENERAL) == "missing_scope"
    assert slack.expect_error("conversations.info", channel=GENERAL) == "missing_scope"


def test_info_and_members_describe_a_channel(slack: InMemoryWorkspace) -> None:
    """Members are paginated."""
    shown = slack.call_method("conversations.info", channel=GENERAL, include_num_members=True)[
        "channel"
    ]
    assert (shown["name"], shown["is_member"], shown["num_members"]) == ("general", True, 5)
    assert "num_members" not in slack.call_method("conversations.info", channel=GENERAL)["channel"]
    members: list[str] = []
    cursor = ""
    while True:
        page = slack.call_method("conversations.members", channel=GENERAL, limit=2, cursor=cursor)
        members += page["members"]
        cursor = page["response_metadata"]["next_cursor"]
        if not cursor:
            break
    assert members == slack.workspace.channels[GENERAL].members


def test_open_returns_a_direct_message(slack: InMemoryWorkspace) -> None:
    """The same people get the same one; a wrong number is refused."""
    pair = slack.workspace.open_dm([ADA, STARCHAT])
    assert slack.call_method("conversations.open", users=ADA)["channel"] == {"id": pair.id}
    whole = slack.call_method("conversations.open", channel=pair.id, return_im=True)["channel"]
    assert whole["user"] == ADA
    group = slack.call_method("conversations.open", users=f"{ADA},{LIN}")["channel"]["id"]
    assert slack.workspace.channels[group].channel_type == "mpim"
    assert slack.expect_error("conversations.open", users="") == "users_list_not_supplied"
    assert slack.expect_error("conversations.open", users=",".join("U" * 9)) == "too_many_users"
    assert slack.expect_error("conversations.open", users="U9") == "user_not_found"


def test_users_conversations_lists_the_apps_channels(slack: InMemoryWorkspace) -> None:
    """The list is paginated, filtered by type, optionally without archived channels."""
    direct = slack.call_method("conversations.open", users=ADA)["channel"]["id"]
    group = slack.call_method("conversations.open", users=f"{ADA},{LIN}")["channel"]["id"]

    def list_channels(**given: Any) -> list[str]:
        found: list[str] = []
        cursor = ""
        while True:
            page = slack.call_method("users.conversations", limit=1, cursor=cursor, **given)
            found += [channel["id"] for channel in page["channels"]]
            cursor = page["response_metadata"]["next_cursor"]
            if not cursor:
                return found

    everywhere = list_channels()
    assert GENERAL in everywhere
    assert not {direct, group} & set(everywhere)
    assert {direct, group} <= set(list_channels(types="im,mpim"))
    assert group not in list_channels(types="im")
    slack.workspace.channels[GENERAL].is_archived = True
    assert GENERAL not in list_channels(exclude_archived=True)
    assert GENERAL in list_channels()
    assert slack.expect_error("users.conversations", types="secret") == "invalid_types"
    slack.workspace.app.scopes.remove("im:read")
    assert slack.expect_error("users.conversations", types="im") == "missing_scope"


def test_all_visible_channels_are_listed(slack: InMemoryWorkspace) -> None:
    """Public channels of others too, private ones and direct messages only as a member."""
    slack.workspace.create_channel("foreign", [ADA])
    slack.workspace.create_channel("den", [ADA], is_private=True)
    slack.workspace.create_channel("ours", [ADA, STARCHAT], is_private=True)

    listed = slack.call_method("conversations.list", limit=2)
    assert [channel["name"] for channel in listed["channels"]] == ["general", "python"]
    cursor = listed["response_metadata"]["next_cursor"]
    [foreign] = slack.call_method("conversations.list", cursor=cursor)["channels"]
    assert (foreign["name"], foreign["is_member"], foreign["num_members"]) == ("foreign", False, 1)
    private = slack.call_method("conversations.list", types="private_channel")["channels"]
    assert [channel["name"] for channel in private] == ["ours"]
    assert slack.expect_error("conversations.list", types="x") == "invalid_types"
    slack.workspace.app.scopes.remove("groups:read")
    refused = slack.expect_error("conversations.list", types="public_channel,private_channel")
    assert refused == "missing_scope"


def test_public_channels_can_be_joined(slack: InMemoryWorkspace) -> None:
    """Joining twice warns; archived channels and direct messages are refused."""
    channel = slack.workspace.create_channel("foreign", [ADA])
    answer = slack.call_method("conversations.join", channel=channel.id)
    assert answer["channel"]["is_member"]
    assert "warning" not in answer
    assert slack.call_method("conversations.join", channel=channel.id)["warning"] == (
        "already_in_channel"
    )
    direct = slack.workspace.open_dm([ADA, STARCHAT]).id
    kind = slack.expect_error("conversations.join", channel=direct)
    assert kind == "method_not_supported_for_channel_type"
    slack.workspace.archive_channel(channel.id)
    assert slack.expect_error("conversations.join", channel=channel.id) == "is_archived"
