"""`chat.startStream`, `chat.appendStream` and `chat.stopStream`."""

from typing import Any

import pytest

from fakeslack.errors import SlackError
from fakeslack.state.agent_sessions import SessionStatus
from fakeslack.state.streams import Stream, StreamMode
from testing.in_memory_workspace import ADA, GENERAL, LIN, STARCHAT, InMemoryWorkspace

Json = dict[str, Any]


RECIPIENT = {"recipient_user_id": ADA, "recipient_team_id": "T0FAKE0001"}


def markdown_chunk(text: str) -> Json:
    """Return a chunk of Markdown."""
    return {"type": "markdown_text", "text": text}


@pytest.fixture
def slack() -> InMemoryWorkspace:
    """A fresh workspace."""
    return InMemoryWorkspace()


@pytest.fixture
def thread_ts(slack: InMemoryWorkspace) -> str:
    """A question in #general."""
    return slack.post_message("hi").ts


def start_stream(slack: InMemoryWorkspace, thread_ts: str, **more: Any) -> str:
    """Start a stream in a thread of #general; return its ts."""
    arguments = {"channel": GENERAL, "thread_ts": thread_ts, **RECIPIENT, **more}
    return str(slack.call_method("chat.startStream", **arguments)["ts"])


def test_a_stream_is_appended_and_stopped(slack: InMemoryWorkspace, thread_ts: str) -> None:
    """Chunks add up; stopping adds blocks and metadata and ends the session."""
    ts = start_stream(slack, thread_ts)
    assert (
        slack.workspace.agent_sessions.session_status(GENERAL, thread_ts)
        is SessionStatus.PROCESSING
    )
    slack.call_method("chat.appendStream", channel=GENERAL, ts=ts, markdown_text="a ")
    slack.call_method("chat.appendStream", channel=GENERAL, ts=ts, markdown_text="lock")
    foot = {"type": "context", "elements": [{"type": "mrkdwn", "text": "may be wrong"}]}
    metadata = {"event_type": "reply", "event_payload": {}}
    answer = slack.call_method(
        "chat.stopStream", channel=GENERAL, ts=ts, blocks=[foot], metadata=metadata
    )
    message = answer["message"]
    assert (message["text"], message["streaming_state"]) == ("a lock", "completed")
    assert [block["type"] for block in message["blocks"]] == ["markdown", "context"]
    assert message["metadata"] == metadata
    assert slack.workspace.agent_sessions.session_status(GENERAL, thread_ts) is SessionStatus.ACTIVE


def test_only_the_recipient_sees_appended_chunks(slack: InMemoryWorkspace, thread_ts: str) -> None:
    """Others see the first chunk, then nothing until the end."""
    ts = start_stream(slack, thread_ts)
    for piece in ("a", " lock"):
        slack.call_method("chat.appendStream", channel=GENERAL, ts=ts, markdown_text=piece)
    growing = slack.workspace.get_message(GENERAL, ts)
    assert growing.stream_recipient == ADA
    assert growing.text == "a lock"
    assert growing.public_body is not None
    assert growing.public_body["text"] == "a"
    slack.call_method("chat.stopStream", channel=GENERAL, ts=ts)
    assert slack.workspace.get_message(GENERAL, ts).public_body is None


def test_a_direct_message_stream_needs_no_recipient(slack: InMemoryWorkspace) -> None:
    """It needs a thread."""
    pair = slack.workspace.open_dm([ADA, STARCHAT]).id
    question = slack.post_message("hi", channel=pair).ts
    call = {"channel": pair, "markdown_text": "a"}
    ts = slack.call_method("chat.startStream", thread_ts=question, **call)["ts"]
    slack.call_method("chat.appendStream", channel=pair, ts=ts, markdown_text="b")
    assert slack.workspace.get_message(pair, ts).stream_recipient is None
    assert slack.expect_error("chat.startStream", **call) == "invalid_arguments"


def test_a_stream_without_a_thread_has_no_session(slack: InMemoryWorkspace) -> None:
    """The message exists without a session."""
    ts = slack.call_method("chat.startStream", channel=GENERAL, markdown_text="a", **RECIPIENT)[
        "ts"
    ]
    slack.call_method("chat.stopStream", channel=GENERAL, ts=ts)
    assert slack.find_changes("session") == []


def test_a_stream_needs_a_known_recipient(slack: InMemoryWorkspace, thread_ts: str) -> None:
    """Group messages can't be streamed."""
    group = slack.workspace.open_dm([ADA, LIN, STARCHAT]).id
    arguments = {"channel": GENERAL, "thread_ts": thread_ts}
    team = {"recipient_team_id": "T0FAKE0001"}
    assert slack.expect_error("chat.startStream", **arguments) == "missing_recipient_user_id"
    assert (
        slack.expect_error("chat.startStream", **arguments, recipient_user_id=ADA)
        == "missing_recipient_team_id"
    )
    assert (
        slack.expect_error("chat.startStream", **arguments, **team, recipient_user_id="U9")
        == "user_not_found"
    )
    assert slack.expect_error("chat.startStream", channel=group) == "channel_type_not_supported"
    assert slack.expect_error("chat.startStream", channel=group, chunks="x") == (
        "channel_type_not_supported"
    )


def test_an_ended_stream_refuses_chunks(slack: InMemoryWorkspace, thread_ts: str) -> None:
    """A stream ends when stopped, or after five minutes."""
    ended, old = start_stream(slack, thread_ts), start_stream(slack, thread_ts)
    slack.call_method("chat.stopStream", channel=GENERAL, ts=ended, markdown_text="a")
    plain = slack.call_method("chat.postMessage", channel=GENERAL, text="a")["ts"]
    piece = {"channel": GENERAL, "markdown_text": "b"}
    slack.clock_seconds += 301
    for ts in (ended, old, plain):
        assert (
            slack.expect_error("chat.appendStream", ts=ts, **piece)
            == "message_not_in_streaming_state"
        )
    assert (
        slack.expect_error("chat.appendStream", ts=thread_ts, **piece) == "message_not_owned_by_app"
    )
    assert slack.expect_error("chat.appendStream", ts="1.000000", **piece) == "message_not_found"


def test_a_stream_needs_content(slack: InMemoryWorkspace, thread_ts: str) -> None:
    """An append needs text or chunks, and the final message isn't empty."""
    ts = start_stream(slack, thread_ts)
    where = {"channel": GENERAL, "ts": ts}
    assert slack.expect_error("chat.appendStream", **where) == "markdown_text_or_chunks_required"
    assert slack.expect_error("chat.stopStream", **where) == "no_text"
    assert slack.expect_error("chat.stopStream", **where, session_status="odd") == "invalid_status"


def test_the_stop_button_stops_running_streams(slack: InMemoryWorkspace, thread_ts: str) -> None:
    """Only running streams of the thread end, with `stopped_by_user`."""
    ended, running = start_stream(slack, thread_ts), start_stream(slack, thread_ts)
    slack.call_method("chat.stopStream", channel=GENERAL, ts=ended, markdown_text="a")
    slack.call_method("chat.postMessage", channel=GENERAL, thread_ts=thread_ts, text="a")
    assert slack.workspace.stop_streams(GENERAL, thread_ts) == [running]
    piece = {"channel": GENERAL, "ts": running, "markdown_text": "b"}
    assert slack.expect_error("chat.appendStream", **piece) == "stopped_by_user"


def test_a_running_stream_cannot_be_edited(slack: InMemoryWorkspace, thread_ts: str) -> None:
    """`chat.update` is refused until the stream ends."""
    ts = start_stream(slack, thread_ts)
    edit = {"channel": GENERAL, "ts": ts, "text": "b"}
    assert slack.expect_error("chat.update", **edit) == "streaming_state_conflict"
    slack.call_method("chat.stopStream", channel=GENERAL, ts=ts, markdown_text="a")
    assert slack.call_method("chat.update", **edit)["text"] == "b"


def test_chunks_become_blocks_in_order() -> None:
    """Markdown is joined, tasks are updated in place, plans and blocks follow."""
    stream = Stream(0.0)
    task = {"type": "task_update", "id": "t", "title": "Read", "status": "in_progress"}
    stream.append_content(
        "", [markdown_chunk("a"), markdown_chunk("b"), task, {"type": "plan_update", "title": "p"}]
    )
    stream.append_content("", [{**task, "status": "complete"}, markdown_chunk("c")])
    stream.append_content("", [{"type": "blocks", "blocks": [{"type": "divider"}]}])
    stream.append_content("", [])
    assert stream.mode is StreamMode.CHUNKS
    assert stream.markdown_text == "abc"
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
        ("a", [markdown_chunk("a")], "cannot_provide_both_markdown_text_and_chunks"),
        ("", [markdown_chunk("a")], "streaming_mode_mismatch"),
        ("a" * 12_001, [], "msg_too_long"),
        ("a" * 11_000, [], "msg_blocks_too_long"),
    ],
)
def test_a_text_stream_refuses_chunks_and_long_text(
    text: str, chunks: list[Json], error: str
) -> None:
    """Text and chunks never mix; the message has a text limit."""
    stream = Stream(0.0)
    stream.append_content("a" * 3_000, [])
    with pytest.raises(SlackError, match=error):
        stream.append_content(text, chunks)
    assert len(stream.markdown_text) == 3_000


@pytest.mark.parametrize(
    ("chunks", "error"),
    [
        ([{"type": "poem"}], "invalid_chunks"),
        ([markdown_chunk("")], "invalid_chunks"),
        (["a"], "invalid_chunks"),
        ([{"type": "task_update", "id": "t"}], "invalid_chunks"),
        ([{"type": "blocks", "blocks": [{"type": "poem"}]}], "invalid_blocks"),
        ([{"type": "blocks", "blocks": [{"type": "divider"}] * 30}] * 2, "msg_blocks_too_many"),
    ],
)
def test_invalid_chunks_are_refused(chunks: list[Any], error: str) -> None:
    """A chunk has one of four types; 50 blocks are the maximum."""
    with pytest.raises(SlackError, match=error):
        Stream(0.0).append_content("", chunks)
