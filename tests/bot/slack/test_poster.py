"""The bot's own sentences reach Slack once, late rather than twice."""

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
def posting(web: WebClient) -> Poster:
    """Return what posts."""
    return Poster(web)


@pytest.fixture(autouse=True)
def healthy(workspace: Workspace) -> Iterator[None]:
    """Leave no fault behind."""
    yield
    workspace.set_faults()


def start_thread(workspace: Workspace) -> Thread:
    """Let Ada begin a thread."""
    return Thread(
        team=BOT_IDENTITY.team, channel=GENERAL, ts=workspace.post_message(ADA, GENERAL, "hello")
    )


def test_a_sentence_is_said_in_the_thread(posting: Poster, workspace: Workspace) -> None:
    """Nothing that the bot says unfurls or pings."""
    thread = start_thread(workspace)
    ts = posting.post_in_thread(thread, "Ready.")
    (said,) = workspace.bot_replies(GENERAL, thread.ts)

    assert (said["ts"], said["text"], said["pings"], said["unfurls"]) == (ts, "Ready.", [], [])


@pytest.mark.parametrize("count", [1, 2])
def test_a_post_that_slack_puts_off_is_made_again(
    posting: Poster, workspace: Workspace, count: int
) -> None:
    """A refusal for the moment did not post anything, so it may be tried again."""
    fault = {"fault": "ratelimited", "retry_after": 1, "count": count}
    workspace.set_faults({"method": "chat.postMessage", **fault})
    thread = start_thread(workspace)
    posting.post_in_thread(thread, "Ready.")

    assert message_texts(workspace.bot_replies(GENERAL, thread.ts)) == ["Ready."]


@pytest.mark.parametrize("fault", ["drop_after", "status_after", "truncated"])
def test_a_post_that_may_have_arrived_is_not_made_again(
    posting: Poster, workspace: Workspace, fault: str
) -> None:
    """A lost answer is an error, never a second message."""
    workspace.set_faults({"method": "chat.postMessage", "fault": fault, "count": 1})
    thread = start_thread(workspace)
    with pytest.raises(CALL_ERRORS):
        posting.post_in_thread(thread, "Ready.")

    assert message_texts(workspace.bot_replies(GENERAL, thread.ts)) == ["Ready."]


def test_a_post_that_slack_puts_off_for_long_is_given_up(
    posting: Poster, workspace: Workspace
) -> None:
    """A notice that would come a minute late is of no use to anybody."""
    workspace.set_faults({"method": "chat.*", "fault": "ratelimited", "retry_after": 120})
    with pytest.raises(SlackApiError):
        posting.post_in_thread(start_thread(workspace), "Ready.")


def test_a_limit_without_a_number_is_waited_for_a_moment(
    posting: Poster, workspace: Workspace
) -> None:
    """Nonsense in the header costs a second."""
    fault = {"fault": "ratelimited", "retry_after": "soon", "count": 1}
    workspace.set_faults({"method": "chat.postMessage", **fault})
    thread = start_thread(workspace)
    posting.post_in_thread(thread, "Ready.")

    assert len(workspace.bot_replies(GENERAL, thread.ts)) == 1


def test_nobody_waits_for_a_limit_at_the_end(posting: Poster, workspace: Workspace) -> None:
    """When the process ends, a post that Slack has put off is given up at once."""
    workspace.set_faults({"method": "chat.*", "fault": "ratelimited", "retry_after": 20})
    threading.Timer(0.3, posting.stop_waiting).start()
    began = time.monotonic()
    with pytest.raises(SlackApiError):
        posting.post_in_thread(start_thread(workspace), "Ready.")

    assert time.monotonic() - began < 10


def test_what_is_gone_already_need_not_be_deleted(posting: Poster, workspace: Workspace) -> None:
    """Deleting twice is deleting; deleting somebody else's message is an error."""
    thread = start_thread(workspace)
    ts = posting.post_in_thread(thread, "Ready.")
    posting.delete_message(GENERAL, ts)
    posting.delete_message(GENERAL, ts)

    assert workspace.bot_replies(GENERAL, thread.ts) == []
    with pytest.raises(SlackApiError):
        posting.delete_message(GENERAL, thread.ts)


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "status", "status_after", "error"])
def test_a_deletion_is_repeated_until_somebody_knows_that_it_is_done(
    posting: Poster, workspace: Workspace, fault: str
) -> None:
    """A message that stayed because an answer was lost would be one too many for ever."""
    thread = start_thread(workspace)
    ts = posting.post_in_thread(thread, "Ready.")
    workspace.set_faults({"method": "chat.delete", "fault": fault, "count": 2})
    posting.delete_message(GENERAL, ts)

    assert workspace.bot_replies(GENERAL, thread.ts) == []


def test_a_whisper_is_for_one_person(posting: Poster, workspace: Workspace) -> None:
    """What only one person is to read only one person sees."""
    posting.post_ephemeral(GENERAL, ADA, "Only you.")
    seen = [
        message_texts(workspace.read_messages(GENERAL, user=user)) for user in (ADA, "U0LIN00001")
    ]

    assert ["Only you." in messages for messages in seen] == [True, False]
