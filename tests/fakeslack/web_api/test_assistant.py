"""`assistant.threads.*` and `agents.sessions.*`: session status, titles and prompts."""

from typing import Any

import pytest

from fakeslack.state.agent_sessions import AgentSessions, SessionStatus
from testing.in_memory_workspace import ADA, GENERAL, SAM, STARCHAT, InMemoryWorkspace

Json = dict[str, Any]


@pytest.fixture
def slack() -> InMemoryWorkspace:
    """A fresh workspace."""
    return InMemoryWorkspace()


@pytest.fixture
def thread_ts(slack: InMemoryWorkspace) -> str:
    """A question in #general."""
    return slack.post_message("hi").ts


def test_a_session_has_a_status_and_a_title(slack: InMemoryWorkspace, thread_ts: str) -> None:
    """The app sets both."""
    where = {"channel_id": GENERAL, "thread_ts": thread_ts}
    for status in ("processing", "suspended"):
        assert (
            slack.call_method("agents.sessions.setStatus", **where, status=status, title="Locks")
            == {}
        )
    # A title belongs to the creation of a session; later ones are renamed.
    slack.call_method("agents.sessions.setStatus", **where, status="suspended", title="Other")
    assert slack.workspace.agent_sessions.list_titles(GENERAL) == {thread_ts: "Locks"}
    slack.call_method("agents.sessions.rename", **where, title="Mutex")
    assert (
        slack.workspace.agent_sessions.session_status(GENERAL, thread_ts) is SessionStatus.SUSPENDED
    )
    assert slack.workspace.agent_sessions.titles == {(GENERAL, thread_ts): "Mutex"}


def test_processing_without_a_subscription_warns(slack: InMemoryWorkspace, thread_ts: str) -> None:
    """Without `agent_session_stopped`, Slack shows no Stop button and returns a warning."""
    slack.workspace.app.events.discard("agent_session_stopped")
    where = {"channel_id": GENERAL, "thread_ts": thread_ts}
    answer = slack.call_method("agents.sessions.setStatus", **where, status="processing")
    assert answer["warning"] == "missing_agent_session_stopped_event_subscription"
    assert not slack.workspace.can_stop_sessions


def test_forgotten_session_ends_after_an_hour() -> None:
    """An app that never leaves `processing` shows it for an hour."""
    now = [0.0]
    sessions = AgentSessions(lambda: now[0], lambda *_: None)
    sessions.set_session_status(GENERAL, "1.0", SessionStatus.PROCESSING)
    assert sessions.list_processing(GENERAL) == ["1.0"]
    now[0] = 3601.0
    assert sessions.session_status(GENERAL, "1.0") is SessionStatus.ACTIVE
    assert sessions.list_processing(GENERAL) == []


@pytest.mark.parametrize(
    ("method", "arguments", "error"),
    [
        ("agents.sessions.setStatus", {"status": "odd"}, "invalid_status"),
        ("agents.sessions.setStatus", {"status": "active"}, "thread_ts_required"),
        (
            "agents.sessions.setStatus",
            {"status": "active", "thread_ts": "1.000000"},
            "invalid_thread_ts",
        ),
        ("agents.sessions.rename", {"title": "a"}, "session_not_found"),
        ("agents.sessions.rename", {"title": "a", "thread_ts": "1.000000"}, "session_not_found"),
        ("agents.sessions.rename", {"title": "a" * 201}, "invalid_arguments"),
        ("assistant.threads.setStatus", {"thread_ts": "1.000000"}, "invalid_thread_ts"),
        ("assistant.threads.setTitle", {"title": "a"}, "invalid_arguments"),
        ("assistant.threads.setSuggestedPrompts", {}, "invalid_arguments"),
        ("assistant.threads.setSuggestedPrompts", {"prompts": ["a"]}, "invalid_arguments"),
    ],
)
def test_an_invalid_session_is_refused(
    slack: InMemoryWorkspace, method: str, arguments: Json, error: str
) -> None:
    """A session needs an existing thread and a valid status."""
    assert slack.expect_error(method, channel_id=GENERAL, **arguments) == error


def test_unknown_initiators_and_long_titles_are_refused(
    slack: InMemoryWorkspace, thread_ts: str
) -> None:
    """A title has at most 200 characters; a rename needs its thread."""
    arguments = {"channel_id": GENERAL, "thread_ts": thread_ts, "status": "active"}
    method = "agents.sessions.setStatus"
    assert slack.expect_error(method, **arguments, initiator_user_id="U9") == "user_not_found"
    assert slack.expect_error(method, **arguments, title="a" * 201) == "invalid_arguments"
    slack.call_method(method, **arguments, initiator_user_id=SAM)
    pair = slack.workspace.open_dm([ADA, STARCHAT]).id
    assert slack.expect_error("agents.sessions.rename", channel_id=pair, title="a") == (
        "thread_ts_required"
    )


def test_status_title_and_prompts_are_published(slack: InMemoryWorkspace, thread_ts: str) -> None:
    """The page receives what the app sets."""
    where = {"channel_id": GENERAL, "thread_ts": thread_ts}
    prompt = {"title": "a", "message": "b"}
    slack.call_method("assistant.threads.setStatus", **where, status="is thinking…")
    slack.call_method("assistant.threads.setTitle", **where, title="Locks")
    slack.call_method("assistant.threads.setSuggestedPrompts", **where, prompts=[prompt] * 5)
    slack.call_method("assistant.threads.setSuggestedPrompts", channel_id=GENERAL, prompts=[prompt])
    assert [change.detail["status"] for change in slack.find_changes("status")] == ["is thinking…"]
    assert [len(change.detail["prompts"]) for change in slack.find_changes("session")[1:]] == [4, 1]
    status = {**where, "status": "", "loading_messages": ["a"] * 11}
    assert slack.expect_error("assistant.threads.setStatus", **status) == "invalid_arguments"
    assert slack.expect_error("assistant.threads.setStatus", **where) == "invalid_arguments"


def test_a_session_takes_the_place_of_a_status_line(
    slack: InMemoryWorkspace, thread_ts: str
) -> None:
    """Slack shows one of them: the last one."""
    where = {"channel_id": GENERAL, "thread_ts": thread_ts}
    slack.call_method("assistant.threads.setStatus", **where, status="waits…")
    slack.call_method("agents.sessions.setStatus", **where, status="processing")

    assert slack.workspace.agent_sessions.get_status_line(GENERAL, thread_ts) == ""
