"""Reading channels and threads through the Web API."""

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
def test_every_page_of_a_thread_begins_with_its_root(count: int, limit: int) -> None:
    """Slack repeats the root; the replies come once each, oldest first."""
    town = InMemoryWorkspace()
    root = town.post_message("root").ts
    expected = [town.post_message(str(number), thread_ts=root).text for number in range(count)]
    replies: list[str] = []
    cursor = ""
    while True:
        sheet = town.call_method(
            "conversations.replies", channel=GENERAL, ts=root, limit=limit, cursor=cursor
        )
        assert sheet["messages"][0]["text"] == "root"
        replies += message_texts(sheet["messages"][1:])
        if not sheet["has_more"]:
            break
        cursor = sheet["response_metadata"]["next_cursor"]
    assert replies == expected


def test_metadata_is_shown_when_asked_for(slack: InMemoryWorkspace) -> None:
    """Without `include_all_metadata` there is none."""
    told = {"event_type": "reply", "event_payload": {}}
    ts = slack.call_method("chat.postMessage", channel=GENERAL, text="a", metadata=told)["ts"]
    where = {"channel": GENERAL, "ts": ts}
    [message] = slack.call_method("conversations.replies", **where)["messages"]
    assert "metadata" not in message
    [message] = slack.call_method("conversations.replies", **where, include_all_metadata=True)[
        "messages"
    ]
    assert message["metadata"] == told


def test_a_thread_is_read_between_two_moments(slack: InMemoryWorkspace) -> None:
    """`oldest` and `latest` cut the replies, never the root."""
    root = slack.post_message("root").ts
    first, second = (slack.post_message(text, thread_ts=root) for text in "ab")
    where = {"channel": GENERAL, "ts": root}
    later = slack.call_method("conversations.replies", **where, oldest=first.ts)["messages"]
    assert message_texts(later) == ["root", "b"]
    both = slack.call_method("conversations.replies", **where, latest=second.ts, inclusive="true")
    assert message_texts(both["messages"]) == ["root", "a", "b"]
    [reply] = slack.call_method("conversations.replies", channel=GENERAL, ts=second.ts)["messages"]
    assert reply["text"] == "b"


def test_a_channel_is_read_newest_first(slack: InMemoryWorkspace) -> None:
    """History shows roots with their counts, and no replies."""
    root = slack.post_message("a").ts
    slack.post_message("b", thread_ts=root)
    slack.post_message("c")
    sheet = slack.call_method("conversations.history", channel=GENERAL, limit=1)
    assert message_texts(sheet["messages"]) == ["c"]
    cursor = sheet["response_metadata"]["next_cursor"]
    [message] = slack.call_method("conversations.history", channel=GENERAL, cursor=cursor)[
        "messages"
    ]
    assert (message["text"], message["reply_count"]) == ("a", 1)


@pytest.mark.parametrize(
    ("wish", "error"),
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
def test_a_wrong_reading_is_refused(slack: InMemoryWorkspace, wish: Json, error: str) -> None:
    """Each fault has Slack's own word."""
    root = slack.post_message("a").ts
    assert (
        slack.expect_error("conversations.replies", channel=GENERAL, **{"ts": root, **wish})
        == error
    )


def test_reading_needs_membership_and_scope(slack: InMemoryWorkspace) -> None:
    """A channel the bot is not in, and one it has no scope for, cannot be read."""
    foreign = slack.workspace.create_channel("foreign", [ADA])
    ts = slack.post_message("a", channel=foreign.id).ts
    wish = {"channel": foreign.id, "ts": ts}
    assert slack.expect_error("conversations.replies", **wish) == "not_in_channel"
    slack.workspace.app.scopes -= {"channels:history", "channels:read"}
    assert slack.expect_error("conversations.history", channel=GENERAL) == "missing_scope"
    assert slack.expect_error("conversations.info", channel=GENERAL) == "missing_scope"


def test_a_channel_tells_about_itself_and_its_members(slack: InMemoryWorkspace) -> None:
    """Members come page by page."""
    shown = slack.call_method("conversations.info", channel=GENERAL, include_num_members=True)[
        "channel"
    ]
    assert (shown["name"], shown["is_member"], shown["num_members"]) == ("general", True, 5)
    assert "num_members" not in slack.call_method("conversations.info", channel=GENERAL)["channel"]
    members: list[str] = []
    cursor = ""
    while True:
        sheet = slack.call_method("conversations.members", channel=GENERAL, limit=2, cursor=cursor)
        members += sheet["members"]
        cursor = sheet["response_metadata"]["next_cursor"]
        if not cursor:
            break
    assert members == slack.workspace.channels[GENERAL].members


def test_a_direct_message_is_opened_through_the_api(slack: InMemoryWorkspace) -> None:
    """The same people lead to the same place, and the wrong number to a refusal."""
    pair = slack.workspace.open_dm([ADA, STARCHAT])
    assert slack.call_method("conversations.open", users=ADA)["channel"] == {"id": pair.id}
    whole = slack.call_method("conversations.open", channel=pair.id, return_im=True)["channel"]
    assert whole["user"] == ADA
    group = slack.call_method("conversations.open", users=f"{ADA},{LIN}")["channel"]["id"]
    assert slack.workspace.channels[group].channel_type == "mpim"
    assert slack.expect_error("conversations.open", users="") == "users_list_not_supplied"
    assert slack.expect_error("conversations.open", users=",".join("U" * 9)) == "too_many_users"
    assert slack.expect_error("conversations.open", users="U9") == "user_not_found"


def test_an_app_lists_the_places_it_is_in(slack: InMemoryWorkspace) -> None:
    """By kind, page by page, without the archived ones if that is wanted."""
    direct = slack.call_method("conversations.open", users=ADA)["channel"]["id"]
    group = slack.call_method("conversations.open", users=f"{ADA},{LIN}")["channel"]["id"]

    def list_channels(**given: Any) -> list[str]:
        found: list[str] = []
        cursor = ""
        while True:
            sheet = slack.call_method("users.conversations", limit=1, cursor=cursor, **given)
            found += [channel["id"] for channel in sheet["channels"]]
            cursor = sheet["response_metadata"]["next_cursor"]
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
