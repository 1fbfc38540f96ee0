"""Streams, sessions and statuses follow Slack's states."""

from typing import Any

import pytest

from fakeslack.errors import SlackError
from fakeslack.state.agent_sessions import Status
from fakeslack.state.streams import Mode, Stream
from testing.in_memory_workspace import ADA, GENERAL, LIN, SAM, STARCHAT, InMemoryWorkspace

Json = dict[str, Any]
TO_ADA = {"recipient_user_id": ADA, "recipient_team_id": "T0FAKE0001"}


def markdown(text: str) -> Json:
    """Return a chunk of Markdown."""
    return {"type": "markdown_text", "text": text}


@pytest.fixture
def town() -> InMemoryWorkspace:
    """A fresh workspace."""
    return InMemoryWorkspace()


@pytest.fixture
def root(town: InMemoryWorkspace) -> str:
    """A question in #general."""
    return town.post_message("hi").ts


def start(town: InMemoryWorkspace, root: str, **more: Any) -> str:
    """Start a stream in a thread of #general and return its ts."""
    wish = {"channel": GENERAL, "thread_ts": root, **TO_ADA, **more}
    return str(town.call_method("chat.startStream", **wish)["ts"])


def test_a_stream_grows_and_ends(town: InMemoryWorkspace, root: str) -> None:
    """Pieces add up; the end brings blocks and metadata and releases the session."""
    ts = start(town, root)
    assert town.workspace.sessions.state(GENERAL, root) is Status.PROCESSING
    town.call_method("chat.appendStream", channel=GENERAL, ts=ts, markdown_text="a ")
    town.call_method("chat.appendStream", channel=GENERAL, ts=ts, markdown_text="lock")
    foot = {"type": "context", "elements": [{"type": "mrkdwn", "text": "may be wrong"}]}
    told = {"event_type": "reply", "event_payload": {}}
    answer = town.call_method(
        "chat.stopStream", channel=GENERAL, ts=ts, blocks=[foot], metadata=told
    )
    message = answer["message"]
    assert (message["text"], message["streaming_state"]) == ("a lock", "completed")
    assert [block["type"] for block in message["blocks"]] == ["markdown", "context"]
    assert message["metadata"] == told
    assert town.workspace.sessions.state(GENERAL, root) is Status.ACTIVE


def test_only_its_reader_sees_a_stream_grow(town: InMemoryWorkspace, root: str) -> None:
    """Others see the first piece, then nothing until the end."""
    ts = start(town, root)
    for piece in ("a", " lock"):
        town.call_method("chat.appendStream", channel=GENERAL, ts=ts, markdown_text=piece)
    growing = town.workspace.message(GENERAL, ts)
    assert growing.watcher == ADA
    assert growing.text == "a lock"
    assert growing.shown is not None
    assert growing.shown["text"] == "a"
    town.call_method("chat.stopStream", channel=GENERAL, ts=ts)
    assert town.workspace.message(GENERAL, ts).shown is None


def test_in_a_direct_message_no_reader_need_be_named(town: InMemoryWorkspace) -> None:
    """There is only one; but there must be a thread."""
    pair = town.workspace.direct([ADA, STARCHAT]).id
    question = town.post_message("hi", channel=pair).ts
    call = {"channel": pair, "markdown_text": "a"}
    ts = town.call_method("chat.startStream", thread_ts=question, **call)["ts"]
    town.call_method("chat.appendStream", channel=pair, ts=ts, markdown_text="b")
    assert town.workspace.message(pair, ts).watcher is None
    assert town.expect_error("chat.startStream", **call) == "invalid_arguments"


def test_a_stream_at_the_top_of_a_channel_belongs_to_no_session(town: InMemoryWorkspace) -> None:
    """Without a thread there is a message and no session."""
    ts = town.call_method("chat.startStream", channel=GENERAL, markdown_text="a", **TO_ADA)["ts"]
    town.call_method("chat.stopStream", channel=GENERAL, ts=ts)
    assert town.find_changes("session") == []


def test_slack_refuses_streams_it_cannot_show(town: InMemoryWorkspace, root: str) -> None:
    """The reader must be named and known, and group messages do not stream."""
    group = town.workspace.direct([ADA, LIN, STARCHAT]).id
    wish = {"channel": GENERAL, "thread_ts": root}
    team = {"recipient_team_id": "T0FAKE0001"}
    assert town.expect_error("chat.startStream", **wish) == "missing_recipient_user_id"
    assert (
        town.expect_error("chat.startStream", **wish, recipient_user_id=ADA)
        == "missing_recipient_team_id"
    )
    assert (
        town.expect_error("chat.startStream", **wish, **team, recipient_user_id="U9")
        == "user_not_found"
    )
    assert town.expect_error("chat.startStream", channel=group) == "channel_type_not_supported"
    assert town.expect_error("chat.startStream", channel=group, chunks="x") == (
        "channel_type_not_supported"
    )


def test_a_stream_that_is_over_takes_nothing_more(town: InMemoryWorkspace, root: str) -> None:
    """After its end, or five minutes after its start, a stream is no longer one."""
    ended, old = start(town, root), start(town, root)
    town.call_method("chat.stopStream", channel=GENERAL, ts=ended, markdown_text="a")
    plain = town.call_method("chat.postMessage", channel=GENERAL, text="a")["ts"]
    piece = {"channel": GENERAL, "markdown_text": "b"}
    town.clock_seconds += 301
    for ts in (ended, old, plain):
        assert (
            town.expect_error("chat.appendStream", ts=ts, **piece)
            == "message_not_in_streaming_state"
        )
    assert town.expect_error("chat.appendStream", ts=root, **piece) == "message_not_owned_by_app"
    assert town.expect_error("chat.appendStream", ts="1.000000", **piece) == "message_not_found"


def test_a_stream_needs_something_to_say(town: InMemoryWorkspace, root: str) -> None:
    """An append carries text or chunks, and a message does not end empty."""
    ts = start(town, root)
    where = {"channel": GENERAL, "ts": ts}
    assert town.expect_error("chat.appendStream", **where) == "markdown_text_or_chunks_required"
    assert town.expect_error("chat.stopStream", **where) == "no_text"
    assert town.expect_error("chat.stopStream", **where, session_status="odd") == "invalid_status"


def test_the_stop_button_stops_what_is_running(town: InMemoryWorkspace, root: str) -> None:
    """Only running streams of that thread are stopped, and they say by whom."""
    ended, running = start(town, root), start(town, root)
    town.call_method("chat.stopStream", channel=GENERAL, ts=ended, markdown_text="a")
    town.call_method("chat.postMessage", channel=GENERAL, thread_ts=root, text="a")
    assert town.workspace.stop_streams(GENERAL, root) == [running]
    piece = {"channel": GENERAL, "ts": running, "markdown_text": "b"}
    assert town.expect_error("chat.appendStream", **piece) == "stopped_by_user"


def test_a_running_stream_cannot_be_edited(town: InMemoryWorkspace, root: str) -> None:
    """`chat.update` waits for the end of a stream."""
    ts = start(town, root)
    edit = {"channel": GENERAL, "ts": ts, "text": "b"}
    assert town.expect_error("chat.update", **edit) == "streaming_state_conflict"
    town.call_method("chat.stopStream", channel=GENERAL, ts=ts, markdown_text="a")
    assert town.call_method("chat.update", **edit)["text"] == "b"


def test_chunks_become_blocks_in_their_order() -> None:
    """Markdown joins up, a task is updated in place, a plan and blocks follow."""
    stream = Stream(0.0)
    task = {"type": "task_update", "id": "t", "title": "Read", "status": "in_progress"}
    stream.feed("", [markdown("a"), markdown("b"), task, {"type": "plan_update", "title": "p"}])
    stream.feed("", [{**task, "status": "complete"}, markdown("c")])
    stream.feed("", [{"type": "blocks", "blocks": [{"type": "divider"}]}])
    stream.feed("", [])
    assert stream.mode is Mode.CHUNKS
    assert stream.text == "abc"
    assert [block["type"] for block in stream.blocks] == [
        "markdown",
        "task_card",
        "plan",
        "markdown",
        "divider",
    ]
    assert stream.blocks[1]["status"] == "complete"


@pytest.mark.parametrize(
    ("text", "chunks", "error"),
    [
        ("a", [markdown("a")], "cannot_provide_both_markdown_text_and_chunks"),
        ("", [markdown("a")], "streaming_mode_mismatch"),
        ("a" * 12_001, [], "msg_too_long"),
        ("a" * 11_000, [], "msg_blocks_too_long"),
    ],
)
def test_a_stream_of_text_keeps_its_mode_and_bounds(
    text: str, chunks: list[Json], error: str
) -> None:
    """Text and chunks never mix, and the whole message has a ceiling."""
    stream = Stream(0.0)
    stream.feed("a" * 3_000, [])
    with pytest.raises(SlackError, match=error):
        stream.feed(text, chunks)
    assert len(stream.text) == 3_000


@pytest.mark.parametrize(
    ("chunks", "error"),
    [
        ([{"type": "poem"}], "invalid_chunks"),
        ([markdown("")], "invalid_chunks"),
        (["a"], "invalid_chunks"),
        ([{"type": "task_update", "id": "t"}], "invalid_chunks"),
        ([{"type": "blocks", "blocks": [{"type": "poem"}]}], "invalid_blocks"),
        ([{"type": "blocks", "blocks": [{"type": "divider"}] * 30}] * 2, "msg_blocks_too_many"),
    ],
)
def test_wrong_chunks_are_refused(chunks: list[Any], error: str) -> None:
    """A chunk is one of four kinds, and fifty blocks are enough."""
    with pytest.raises(SlackError, match=error):
        Stream(0.0).feed("", chunks)


def test_a_session_is_moved_and_named(town: InMemoryWorkspace, root: str) -> None:
    """The app moves a session from state to state and gives it a title."""
    where = {"channel_id": GENERAL, "thread_ts": root}
    for status in ("processing", "suspended"):
        assert (
            town.call_method("agents.sessions.setStatus", **where, status=status, title="Locks")
            == {}
        )
    town.call_method("agents.sessions.rename", **where, title="Mutex")
    assert town.workspace.sessions.state(GENERAL, root) is Status.SUSPENDED
    assert town.workspace.sessions.titles == {(GENERAL, root): "Mutex"}


def test_a_stop_button_nobody_listens_to_is_warned_of(town: InMemoryWorkspace, root: str) -> None:
    """Without the subscription Slack shows no Stop button, and says so."""
    town.workspace.app.events.discard("agent_session_stopped")
    where = {"channel_id": GENERAL, "thread_ts": root}
    answer = town.call_method("agents.sessions.setStatus", **where, status="processing")
    assert answer["warning"] == "missing_agent_session_stopped_event_subscription"


@pytest.mark.parametrize(
    ("method", "wish", "error"),
    [
        ("agents.sessions.setStatus", {"status": "odd"}, "invalid_status"),
        ("agents.sessions.setStatus", {"status": "active"}, "thread_ts_required"),
        (
            "agents.sessions.setStatus",
            {"status": "active", "thread_ts": "1.000000"},
            "invalid_thread_ts",
        ),
        ("agents.sessions.rename", {"title": "a"}, "session_not_found"),
        ("agents.sessions.rename", {"title": "a" * 201}, "invalid_arguments"),
        ("assistant.threads.setStatus", {"thread_ts": "1.000000"}, "invalid_thread_ts"),
        ("assistant.threads.setTitle", {"title": "a"}, "invalid_arguments"),
        ("assistant.threads.setSuggestedPrompts", {}, "invalid_arguments"),
        ("assistant.threads.setSuggestedPrompts", {"prompts": ["a"]}, "invalid_arguments"),
    ],
)
def test_wrong_sessions_are_refused(
    town: InMemoryWorkspace, method: str, wish: Json, error: str
) -> None:
    """A session stands in a thread that exists, in a state that exists."""
    assert town.expect_error(method, channel_id=GENERAL, **wish) == error


def test_sessions_of_strangers_and_long_titles_are_refused(
    town: InMemoryWorkspace, root: str
) -> None:
    """Who began it must be known; a title has two hundred characters; a rename its thread."""
    wish = {"channel_id": GENERAL, "thread_ts": root, "status": "active"}
    method = "agents.sessions.setStatus"
    assert town.expect_error(method, **wish, initiator_user_id="U9") == "user_not_found"
    assert town.expect_error(method, **wish, title="a" * 201) == "invalid_arguments"
    town.call_method(method, **wish, initiator_user_id=SAM)
    pair = town.workspace.direct([ADA, STARCHAT]).id
    assert town.expect_error("agents.sessions.rename", channel_id=pair, title="a") == (
        "thread_ts_required"
    )


def test_status_title_and_prompts_are_shown(town: InMemoryWorkspace, root: str) -> None:
    """What an assistant shows beside its messages is told to the page."""
    where = {"channel_id": GENERAL, "thread_ts": root}
    prompt = {"title": "a", "message": "b"}
    town.call_method("assistant.threads.setStatus", **where, status="is thinking…")
    town.call_method("assistant.threads.setTitle", **where, title="Locks")
    town.call_method("assistant.threads.setSuggestedPrompts", **where, prompts=[prompt] * 5)
    town.call_method("assistant.threads.setSuggestedPrompts", channel_id=GENERAL, prompts=[prompt])
    assert [change.detail["status"] for change in town.find_changes("status")] == ["is thinking…"]
    assert [len(change.detail["prompts"]) for change in town.find_changes("session")[1:]] == [4, 1]
    status = {**where, "status": "", "loading_messages": ["a"] * 11}
    assert town.expect_error("assistant.threads.setStatus", **status) == "invalid_arguments"
    assert town.expect_error("assistant.threads.setStatus", **where) == "invalid_arguments"
