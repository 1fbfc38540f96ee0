"""Poster: each message reaches Slack at most once, despite rate limits."""

import threading
import time
from collections.abc import Iterator

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.client import CALL_ERRORS
from bot.slack.poster import Poster
from contract.job import Thread
from testing.slack_events import BOT_IDENTITY
from testing.workspace import ADA, GENERAL, Workspace, message_texts


@pytest.fixture
def poster(web: WebClient) -> Poster:
    """Return a poster."""
    return Poster(web)


@pytest.fixture(autouse=True)
def restore_workspace(workspace: Workspace) -> Iterator[None]:
    """Remove injected faults after each test."""
    yield
    workspace.set_faults()


def start_thread(workspace: Workspace) -> Thread:
    """Let Ada begin a thread."""
    return Thread(
        team=BOT_IDENTITY.team, channel=GENERAL, ts=workspace.post_message(ADA, GENERAL, "hello")
    )


def test_post_in_thread_does_not_unfurl_or_ping(poster: Poster, workspace: Workspace) -> None:
    """A post of the bot neither unfurls links nor pings people."""
    thread = start_thread(workspace)
    ts = poster.post_in_thread(thread, "Ready.")
    (reply,) = workspace.bot_replies(GENERAL, thread.ts)

    assert (reply["ts"], reply["text"], reply["pings"], reply["unfurls"]) == (ts, "Ready.", [], [])


@pytest.mark.parametrize("count", [1, 2])
def test_rate_limited_post_is_repeated(poster: Poster, workspace: Workspace, count: int) -> None:
    """Slack did not execute a rate-limited call."""
    fault = {"fault": "ratelimited", "retry_after": 1, "count": count}
    workspace.set_faults({"method": "chat.postMessage", **fault})
    thread = start_thread(workspace)
    poster.post_in_thread(thread, "Ready.")

    assert message_texts(workspace.bot_replies(GENERAL, thread.ts)) == ["Ready."]


@pytest.mark.parametrize("fault", ["drop_after", "status_after", "truncated"])
def test_ambiguous_post_is_not_repeated(poster: Poster, workspace: Workspace, fault: str) -> None:
    """A lost response raises an error, so that no second message is posted."""
    workspace.set_faults({"method": "chat.postMessage", "fault": fault, "count": 1})
    thread = start_thread(workspace)
    with pytest.raises(CALL_ERRORS):
        poster.post_in_thread(thread, "Ready.")

    assert message_texts(workspace.bot_replies(GENERAL, thread.ts)) == ["Ready."]


def test_post_with_long_retry_after_fails(poster: Poster, workspace: Workspace) -> None:
    """A `Retry-After` above the limit raises the error at once."""
    workspace.set_faults({"method": "chat.*", "fault": "ratelimited", "retry_after": 120})
    with pytest.raises(SlackApiError):
        poster.post_in_thread(start_thread(workspace), "Ready.")


def test_invalid_retry_after_waits_one_second(poster: Poster, workspace: Workspace) -> None:
    """A `Retry-After` that is no number counts as one second."""
    fault = {"fault": "ratelimited", "retry_after": "soon", "count": 1}
    workspace.set_faults({"method": "chat.postMessage", **fault})
    thread = start_thread(workspace)
    poster.post_in_thread(thread, "Ready.")

    assert len(workspace.bot_replies(GENERAL, thread.ts)) == 1


def test_shutdown_ends_rate_limit_wait(poster: Poster, workspace: Workspace) -> None:
    """At shutdown, a rate-limited post fails at once."""
    workspace.set_faults({"method": "chat.*", "fault": "ratelimited", "retry_after": 20})
    threading.Timer(0.3, poster.stop_waiting).start()
    began = time.monotonic()
    with pytest.raises(SlackApiError):
        poster.post_in_thread(start_thread(workspace), "Ready.")

    assert time.monotonic() - began < 10


def test_delete_of_deleted_message_succeeds(poster: Poster, workspace: Workspace) -> None:
    """Deleting twice succeeds; deleting another author's message raises."""
    thread = start_thread(workspace)
    ts = poster.post_in_thread(thread, "Ready.")
    poster.delete_message(GENERAL, ts)
    poster.delete_message(GENERAL, ts)

    assert workspace.bot_replies(GENERAL, thread.ts) == []
    with pytest.raises(SlackApiError):
        poster.delete_message(GENERAL, thread.ts)


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "status", "status_after", "error"])
def test_ambiguous_deletion_is_repeated(poster: Poster, workspace: Workspace, fault: str) -> None:
    """A deletion is idempotent, so it is repeated after a lost response."""
    thread = start_thread(workspace)
    ts = poster.post_in_thread(thread, "Ready.")
    workspace.set_faults({"method": "chat.delete", "fault": fault, "count": 2})
    poster.delete_message(GENERAL, ts)

    assert workspace.bot_replies(GENERAL, thread.ts) == []


def test_ephemeral_message_is_seen_by_one_user(poster: Poster, workspace: Workspace) -> None:
    """No other user sees an ephemeral message."""
    poster.post_ephemeral(GENERAL, ADA, "Only you.")
    seen = [
        message_texts(workspace.read_messages(GENERAL, user=user)) for user in (ADA, "U0LIN00001")
    ]

    assert ["Only you." in messages for messages in seen] == [True, False]
