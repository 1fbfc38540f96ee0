"""Asking through the page of a real fakeslack, with a bot whose every post the test decides."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from slack_sdk import WebClient

from contract.keys import METADATA
from demo.event_stream import Stream
from demo.page_client import NoAnswerError, Page, Reply
from testing.workspace import ADA, BOT_TOKEN, GENERAL, Workspace

Bot = Callable[[WebClient, str], None]


@pytest.fixture
def slack() -> Iterator[Workspace]:
    """A fresh workspace, serving."""
    with Workspace() as workspace:
        yield workspace


@pytest.fixture
def page(slack: Workspace) -> Page:
    """Its page, as Ada."""
    return Page(slack.url)


def _posted(client: WebClient, thread: str, text: str, state: str, **more: Any) -> str:
    metadata = {"event_type": METADATA, "event_payload": {"job": "j", "state": state}}
    answer = client.chat_postMessage(
        channel=GENERAL, thread_ts=thread, text=text, metadata=metadata, **more
    )
    return str(answer["ts"])


def _edited(client: WebClient, ts: str, text: str, state: str) -> None:
    metadata = {"event_type": METADATA, "event_payload": {"job": "j", "state": state}}
    client.chat_update(channel=GENERAL, ts=ts, text=text, metadata=metadata)


@pytest.fixture
def answered(page: Page) -> Iterator[Callable[[Bot], None]]:
    """Let a function be the bot: it is called once with the `ts` of Ada's question."""
    threads: list[threading.Thread] = []
    with Stream(page.address, f"/_page/events?user={ADA}") as stream:

        def serve(bot: Bot) -> None:
            client = WebClient(BOT_TOKEN, base_url=f"{page.address}/api/")
            asked = (c["ts"] for c in stream.changes() if c and c["type"] == "message")
            threads.append(threading.Thread(target=lambda: bot(client, next(asked))))
            threads[-1].start()

        yield serve
        for thread in threads:
            thread.join(20)


def _texts(replies: list[Reply]) -> list[tuple[str, list[str]]]:
    return [(reply.state, [m["text"] for m in reply.messages]) for reply in replies]


def test_a_reply_is_followed_until_it_is_whole(page: Page, answered: Callable[[Bot], None]) -> None:
    """Placeholder, growth and final are seen in turn, and then it is over."""

    def bot(client: WebClient, question: str) -> None:
        ts = _posted(client, question, "thinking", "placeholder")
        _edited(client, ts, "A mu", "growing")
        _edited(client, ts, "A mutex.", "final")

    answered(bot)

    assert _texts(list(page.ask("what is a mutex?"))) == [
        ("placeholder", ["thinking"]),
        ("growing", ["A mu"]),
        ("final", ["A mutex."]),
    ]


def test_a_reply_in_parts_is_whole_with_its_last_part(
    page: Page, answered: Callable[[Bot], None]
) -> None:
    """The small print of the first part says how many there are."""
    small = {"type": "plain_text", "text": "Part 1 of 2"}

    def bot(client: WebClient, question: str) -> None:
        blocks = [{"type": "context", "elements": [small]}]
        _posted(client, question, "one", "final", blocks=blocks)
        _posted(client, question, "two", "final")

    answered(bot)

    assert _texts(list(page.ask("tell me"))) == [
        ("growing", ["one"]),
        ("final", ["one", "two"]),
    ]


def test_an_error_ends_the_reply_too(page: Page, answered: Callable[[Bot], None]) -> None:
    """Its sentence is what there is to read."""

    def bot(client: WebClient, question: str) -> None:
        _posted(client, question, "Sorry.", "error")

    answered(bot)
    (reply,) = page.ask("tell me")

    assert (reply.state, reply.whole) == ("error", True)


def test_what_is_not_the_reply_is_passed_over(page: Page, answered: Callable[[Bot], None]) -> None:
    """Neither another thread of the bot's nor a deleted placeholder belongs to the reply."""

    def bot(client: WebClient, question: str) -> None:
        other = client.chat_postMessage(channel=GENERAL, text="elsewhere")
        _posted(client, str(other["ts"]), "elsewhere", "final")
        ts = _posted(client, question, "gone", "placeholder")
        client.chat_delete(channel=GENERAL, ts=ts)
        _posted(client, question, "here", "final")

    answered(bot)

    assert _texts(list(page.ask("tell me", silence=20.0))) == [
        ("placeholder", ["gone"]),
        ("none", []),
        ("final", ["here"]),
    ]


def test_nobody_waits_for_ever(page: Page) -> None:
    """After a long silence the question counts as unanswered."""
    with pytest.raises(NoAnswerError, match="no answer for 1 s"):
        list(page.ask("anybody?", silence=1.0))


def test_whoever_waits_may_look_around(page: Page) -> None:
    """What the look finds ends the waiting at once."""

    class WorkerDiedError(Exception):
        pass

    def look() -> None:
        raise WorkerDiedError

    with pytest.raises(WorkerDiedError):
        list(page.ask("anybody?", look))


def test_a_page_that_goes_away_ends_the_waiting(page: Page, slack: Workspace) -> None:
    """A workspace that ends is reported, not waited for."""

    def stop() -> None:
        slack.stop()

    asked = page.ask("anybody?", stop)

    with pytest.raises(NoAnswerError, match="gone"):
        list(asked)
    with pytest.raises(NoAnswerError, match="does not answer"):
        list(page.ask("anybody?"))
    assert not page.connected()


def test_without_a_bot_nobody_is_connected(page: Page) -> None:
    """The launcher waits for this before it asks."""
    assert not page.connected()


def test_a_question_that_the_workspace_refuses_is_reported(slack: Workspace) -> None:
    """A person who is not in the channel learns why nothing happens."""
    stranger = Page(slack.url, "U0NOBODY01")

    with pytest.raises(NoAnswerError):
        list(stranger.ask("hello"))
