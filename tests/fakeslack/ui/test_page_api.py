"""The page's JSON endpoints: reading, posting, editing and reacting."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from slack_sdk import WebClient

from testing.workspace import (
    ADA,
    BOT_TOKEN,
    DEPLOYBOT,
    GENERAL,
    LIN,
    PYTHON,
    SAM,
    STARCHAT,
    RefusedError,
    Workspace,
    message_texts,
)

Json = dict[str, Any]


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    """One workspace for all tests here."""
    with Workspace() as workspace:
        yield workspace


@pytest.fixture
def channel_id(workspace: Workspace, request: pytest.FixtureRequest) -> str:
    """A new channel with everyone in it."""
    everybody = [ADA, LIN, SAM, STARCHAT, DEPLOYBOT]
    name = request.node.name.replace("_", "-")
    return str(workspace.send_control("create", name=name, members=everybody)["channel"])


def test_the_state_lists_people_channels_and_the_app(workspace: Workspace) -> None:
    """Direct messages exist from the start; the app is not connected."""
    state = workspace.read_state(ADA)
    assert state["team"] == {"id": "T0FAKE0001", "name": "Workspace"}
    assert state["me"] == ADA
    assert state["app"] == {
        "id": "A0STARCHAT",
        "bot_user": STARCHAT,
        "name": "StarChat",
        "connected": False,
        "shortcuts": [{"callback_id": "ask_about_message", "name": "Ask StarChat about this"}],
        "global_shortcuts": [],
    }
    names = {channel["name"]: channel for channel in state["channels"]}
    assert {"general", "python", "StarChat", "Lin", "Sam"} <= names.keys()
    assert names["StarChat"]["kind"] == "im"
    assert set(names["StarChat"]["members"]) == {ADA, STARCHAT}


def test_a_post_is_visible_to_all_and_sent_once(workspace: Workspace, channel_id: str) -> None:
    """Typed names become mentions; a repeated `client_msg_id` posts one message."""
    fields = {"client_msg_id": "m-1"}
    ts = workspace.post_message(ADA, channel_id, "@StarChat a < b?", **fields)
    assert workspace.post_message(ADA, channel_id, "@StarChat a < b?", **fields) == ts
    reply = workspace.post_message(LIN, channel_id, "see https://a.example", ts, broadcast=True)
    [root, shared] = workspace.read_messages(channel_id, user=SAM)
    assert (root["text"], root["client_msg_id"]) == (f"<@{STARCHAT}> a &lt; b?", "m-1")
    assert (root["reply_count"], root["latest_reply"]) == (1, reply)
    assert shared["subtype"] == "thread_broadcast"
    assert message_texts(workspace.read_messages(channel_id, ts))[1] == "see <https://a.example>"
    assert workspace.bot_replies(channel_id, ts) == []


def test_unread_messages_are_counted_until_read(workspace: Workspace, channel_id: str) -> None:
    """A person's own messages are never unread."""

    def get_unread(user: str) -> int:
        counts = {one["id"]: one["unread"] for one in workspace.read_state(user)["channels"]}
        return int(counts[channel_id])

    workspace.post_message(ADA, channel_id, "one")
    workspace.post_message(ADA, channel_id, "two")
    assert (get_unread(LIN), get_unread(ADA)) == (2, 0)
    workspace.read_messages(channel_id, user=LIN)
    assert get_unread(LIN) == 0


def test_only_own_messages_can_be_edited_and_deleted(workspace: Workspace, channel_id: str) -> None:
    """A deleted root with replies becomes a tombstone."""
    ts = workspace.post_message(ADA, channel_id, "one")
    workspace.post_message(LIN, channel_id, "two", ts)
    workspace.edit_message(ADA, channel_id, ts, "one & more")
    assert message_texts(workspace.read_messages(channel_id)) == ["one &amp; more"]
    with pytest.raises(RefusedError, match="cant_update_message"):
        workspace.edit_message(LIN, channel_id, ts, "mine")
    with pytest.raises(RefusedError, match="cant_delete_message"):
        workspace.delete_message(LIN, channel_id, ts)
    workspace.delete_message(ADA, channel_id, ts)
    assert [one["subtype"] for one in workspace.read_messages(channel_id)] == ["tombstone"]


def test_a_reaction_lists_its_people(workspace: Workspace, channel_id: str) -> None:
    """It can be removed by the person who added it."""
    ts = workspace.post_message(ADA, channel_id, "one")
    workspace.set_reaction(LIN, channel_id, ts, "eyes")
    assert workspace.read_messages(channel_id)[0]["reactions"] == [
        {"name": "eyes", "users": [LIN], "count": 1}
    ]
    workspace.set_reaction(LIN, channel_id, ts, "eyes", remove=True)
    assert "reactions" not in workspace.read_messages(channel_id)[0]


def test_the_page_opens_direct_messages(workspace: Workspace) -> None:
    """Two people share one, three another; other people can't read it."""
    pair = workspace.open_dm(ADA, LIN)
    assert workspace.open_dm(LIN, ADA) == pair
    assert workspace.open_dm(ADA, LIN, STARCHAT) != pair
    with pytest.raises(RefusedError, match="not_in_channel"):
        workspace.read_messages(pair, user=SAM)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"text": " "}, "no_text"),
        ({"user": "U9"}, "user_not_found"),
        ({"channel": "C9"}, "channel_not_found"),
        ({"thread_ts": "1.000000"}, "thread_not_found"),
        ({"text": "/poem please"}, "unknown_command"),
        ({"text": "/starchat help"}, "app_did_not_respond"),
        ({"text": "/starchat help", "thread_ts": "1.000000"}, "command_not_in_thread"),
    ],
    ids=range(7),
)
def test_an_invalid_request_is_refused_by_name(
    workspace: Workspace, fields: Json, error: str
) -> None:
    """Each error has a name that the page turns into a sentence."""
    body = {"user": ADA, "channel": GENERAL, "text": "hi", **fields}
    with pytest.raises(RefusedError) as refusal:
        workspace.post_json("_page/post", body)
    assert refusal.value.error == error


def test_an_archived_channel_refuses_posts(workspace: Workspace, channel_id: str) -> None:
    """Unarchiving allows them again; a removed member no longer sees the channel."""
    workspace.send_control("archive", channel=channel_id)
    with pytest.raises(RefusedError, match="is_archived"):
        workspace.post_message(ADA, channel_id, "hi")
    workspace.send_control("archive", channel=channel_id, archived=False)
    workspace.send_control("kick", channel=channel_id, user=ADA)
    with pytest.raises(RefusedError, match="not_in_channel"):
        workspace.post_message(ADA, channel_id, "hi")
    workspace.send_control("invite", channel=channel_id, user=ADA)
    workspace.post_message(ADA, channel_id, "hi")


@pytest.mark.parametrize(
    ("body", "kind", "error"),
    [
        (b"{", "application/json", "invalid_json"),
        (b"[]", "application/json", "json_not_object"),
        (b"{}", "text/plain", "invalid_post_type"),
        (b"", "application/json", "user_not_found"),
    ],
    ids=range(4),
)
def test_only_json_requests_are_accepted(
    workspace: Workspace, body: bytes, kind: str, error: str
) -> None:
    """Another site's form can't post here."""
    fields = urllib.request.Request(  # noqa: S310 - our own http address
        f"{workspace.url}/_page/post", body, {"Content-Type": kind, **workspace.token_header}
    )
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(fields, timeout=10)  # noqa: S310 - as above
    with refusal.value as answer:
        assert (answer.status, json.load(answer)["error"]) == (400, error)


def test_only_static_files_are_served(workspace: Workspace) -> None:
    """No path leads out of the static directory."""
    with urllib.request.urlopen(f"{workspace.url}/", timeout=10) as answer:  # noqa: S310
        assert answer.headers["Content-Type"].startswith("text/html")
    for name in (
        "nothing.js",
        "core/nothing.js",
        "..%2fpage.py",
        "core/%2e%2e/%2e%2e/page.py",
        "core",
    ):
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(f"{workspace.url}/page/{name}", timeout=10)  # noqa: S310
        with refusal.value as answer:
            assert answer.status == 404


def test_ephemerals_and_status_lines_survive_a_reload(
    workspace: Workspace, channel_id: str
) -> None:
    """Both are returned with the messages."""
    bot = WebClient(token=BOT_TOKEN, base_url=workspace.api_url)
    root = workspace.post_message(ADA, channel_id, "one")
    bot.assistant_threads_setStatus(channel_id=channel_id, thread_ts=root, status="is thinking…")
    bot.chat_postEphemeral(channel=channel_id, user=ADA, text="psst")
    read = workspace.get_json("_page/messages", user=ADA, channel=channel_id)
    assert message_texts(read["messages"]) == ["one", "psst"]
    assert read["statuses"] == {root: "is thinking…"}
    assert message_texts(workspace.read_messages(channel_id, user=LIN)) == ["one"]


def test_a_test_posts_raw_messages(workspace: Workspace, channel_id: str) -> None:
    """The control API posts as any person with any field, and deletes any message."""
    root = workspace.post_raw(channel_id, "<@U0STARCHAT> raw", user=ADA, client_msg_id="m-2")
    workspace.post_raw(
        channel_id, "deployed", user="", bot_id="B0DEPLOY01", thread_ts=root, subtype=None
    )
    [first, second] = workspace.read_messages(channel_id, root)
    assert first["client_msg_id"] == "m-2"
    assert (second["user"], second["bot_id"]) == (DEPLOYBOT, "B0DEPLOY01")
    workspace.send_control("delete", channel=channel_id, ts=root)
    assert workspace.read_messages(channel_id)[0]["subtype"] == "tombstone"


def test_a_test_adds_guests_and_unfurls(workspace: Workspace, channel_id: str) -> None:
    """The control API adds people and unfurls links."""
    guest = {"id": "U0GUEST001", "name": "Gus", "is_restricted": True, "team": "T0OTHER001"}
    shown = workspace.send_control("person", **guest)["user"]
    assert (shown["is_restricted"], shown["is_stranger"]) == (True, True)
    workspace.send_control("invite", channel=channel_id, user="U0GUEST001")
    ts = workspace.post_message("U0GUEST001", channel_id, "see https://a.example")
    workspace.send_control("unfurl", channel=channel_id, ts=ts, url="https://a.example")
    [message] = workspace.read_messages(channel_id)
    assert message["attachments"][0]["from_url"] == "https://a.example"
    assert "edited" not in message
    with pytest.raises(RefusedError, match="invalid_arguments"):
        workspace.send_control("person", id="U1", loud=True)


def test_waiting_ends_with_a_change_or_a_timeout(workspace: Workspace) -> None:
    """The control API blocks until something changes."""
    start = workspace.get_json("_control/wait", timeout=0)["next"]
    assert not workspace.get_json("_control/wait", since=start, timeout=0)["happened"]
    workspace.post_message(ADA, PYTHON, "hi")
    assert workspace.get_json("_control/wait", since=start)["happened"]
    with pytest.raises(AssertionError, match="no match within"):
        workspace.wait_for_messages(
            lambda seen: "never" in message_texts(seen), PYTHON, timeout=0.1
        )
    with pytest.raises(RefusedError, match="invalid_arguments"):
        workspace.get_json("_control/calls", since="now")


def test_an_unknown_response_url_is_refused(workspace: Workspace) -> None:
    """An invented response URL posts nothing."""
    with pytest.raises(RefusedError, match="expired_url"):
        workspace.post_json("response/R9", {"text": "hi"})


def test_a_press_needs_a_message_in_ones_own_channel(workspace: Workspace) -> None:
    """Missing messages and foreign channels are refused."""
    press = {"user": ADA, "channel": GENERAL, "ts": "1.000000", "action_id": "again"}
    with pytest.raises(RefusedError, match="message_not_found"):
        workspace.post_json("_page/click", press)
    other_channel = workspace.send_control("create", name="den", members=[LIN])["channel"]
    with pytest.raises(RefusedError, match="not_in_channel"):
        workspace.post_json("_page/click", {**press, "channel": other_channel})


def test_a_message_may_have_files_alone(workspace: Workspace) -> None:
    """Each is checked before the message is posted; other fields of a file are not a person's."""
    file = {"name": "a.py", "base64": "eCA9IDE=", "redirect": "https://evil.example/"}
    ts = workspace.post_message(ADA, GENERAL, "", files=[file])
    [message] = [m for m in workspace.read_messages(GENERAL) if m["ts"] == ts]
    assert (message["text"], message["files"][0]["preview"]) == ("", "x = 1")
    for files, error in (
        ([], "no_text"),
        (["odd"], "invalid_arguments"),
        ("odd", "invalid_arguments"),
        ([{"base64": "a"}], "invalid_arguments"),
    ):
        with pytest.raises(RefusedError, match=error):
            workspace.post_message(ADA, GENERAL, "", files=files)
    with pytest.raises(RefusedError, match="thread_not_found"):
        workspace.post_message(ADA, GENERAL, "", "1.000000", files=[file])


def test_permalink_leads_to_its_thread(workspace: Workspace) -> None:
    """As in Slack's client; a malformed one leads nowhere."""
    link = f"{workspace.url}/archives/{GENERAL}/p1796016999000100"
    with urllib.request.urlopen(link) as answer:  # noqa: S310
        assert answer.url == f"{workspace.url}/#//{GENERAL}/1796016999.000100"
    with urllib.request.urlopen(f"{link}?thread_ts=1796016832.829667&cid={GENERAL}") as answer:  # noqa: S310
        assert answer.url.endswith("/1796016832.829667")
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{workspace.url}/archives/{GENERAL}/today")  # noqa: S310
