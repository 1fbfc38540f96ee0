"""The demo's page client against a real fakeslack and a scripted bot."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from slack_sdk import WebClient

from contract.keys import METADATA_EVENT_TYPE
from demo.event_stream import EventStream
from demo.page_client import NoAnswerError, PageClient, Reply
from testing.workspace import ADA, BOT_TOKEN, GENERAL, Workspace

Bot = Callable[[WebClient, str], None]


@pytest.fixture
def slack() -> Iterator[Workspace]:
    """A running, empty workspace."""
    with Workspace() as workspace:
        yield workspace


@pytest.fixture
def page(slack: Workspace) -> PageClient:
    """Ada's page of the workspace."""
    return PageClient(slack.url)


def _post_reply(client: WebClient, thread: str, text: str, state: str, **more: Any) -> str:
    metadata = {"event_type": METADATA_EVENT_TYPE, "event_payload": {"job": "j", "state": state}}
    answer = client.chat_postMessage(
        channel=GENERAL, thread_ts=thread, text=text, metadata=metadata, **more
    )
    return str(answer["ts"])


def _edit_reply(client: WebClient, ts: str, text: str, state: str) -> None:
    metadata = {"event_type": METADATA_EVENT_TYPE, "event_payload": {"job": "j", "state": state}}
    client.chat_update(channel=GENERAL, ts=ts, text=text, metadata=metadata)


@pytest.fixture
def run_bot(page: PageClient) -> Iterator[Callable[[Bot], None]]:
    """A function that runs a scripted bot once, with the `ts` of Ada's question."""
    threads: list[threading.Thread] = []
    with EventStream(page.address, f"/_page/events?user={ADA}") as stream:

        def serve(bot: Bot) -> None:
            client = WebClient(BOT_TOKEN, base_url=f"{page.address}/api/")
            asked = (c["ts"] for c in stream.iterate_changes() if c and c["type"] == "message")
            threads.append(threading.Thread(target=lambda: bot(client, next(asked))))
            threads[-1].start()

        yield serve
        for thread in threads:
            thread.join(20)


def _list_texts(replies: list[Reply]) -> list[tuple[str, list[str]]]:
    return [(reply.state, [m["text"] for m in reply.messages]) for reply in replies]


def test_ask_yields_reply_until_final(page: PageClient, run_bot: Callable[[Bot], None]) -> None:
    """The client yields placeholder, growing and final state, and then ends."""

    def bot(client: WebClient, question: str) -> None:
        ts = _post_reply(client, question, "thinking", "placeholder")
        _edit_reply(client, ts, "A mu", "growing")
        _edit_reply(client, ts, "A mutex.", "final")

    run_bot(bot)

    assert _list_texts(list(page.ask_question("what is a mutex?"))) == [
        ("placeholder", ["thinking"]),
        ("growing", ["A mu"]),
        ("final", ["A mutex."]),
    ]


def test_reply_in_parts_is_complete_with_last_part(
    page: PageClient, run_bot: Callable[[Bot], None]
) -> None:
    """The context block of the first part states the number of parts."""
    small = {"type": "plain_text", "text": "Part 1 of 2"}

    def bot(client: WebClient, question: str) -> None:
        blocks = [{"type": "context", "elements": [small]}]
        _post_reply(client, question, "one", "final", blocks=blocks)
        _post_reply(client, question, "two", "final")

    run_bot(bot)

    assert _list_texts(list(page.ask_question("tell me"))) == [
        ("growing", ["one"]),
        ("final", ["one", "two"]),
    ]


def test_error_state_completes_reply(page: PageClient, run_bot: Callable[[Bot], None]) -> None:
    """An error message ends the iteration."""

    def bot(client: WebClient, question: str) -> None:
        _post_reply(client, question, "Sorry.", "error")

    run_bot(bot)
    (reply,) = page.ask_question("tell me")

    assert (reply.state, reply.is_complete) == ("error", True)


def test_other_messages_are_ignored(page: PageClient, run_bot: Callable[[Bot], None]) -> None:
    """Other threads of the bot and a deleted placeholder are not part of the reply."""

    def bot(client: WebClient, question: str) -> None:
        other = client.chat_postMessage(channel=GENERAL, text="elsewhere")
        _post_reply(client, str(other["ts"]), "elsewhere", "final")
        ts = _post_reply(client, question, "gone", "placeholder")
        client.chat_delete(channel=GENERAL, ts=ts)
        _post_reply(client, question, "here", "final")

    run_bot(bot)

    assert _list_texts(list(page.ask_question("tell me", silence_timeout=20.0))) == [
        ("placeholder", ["gone"]),
        ("none", []),
        ("final", ["here"]),
    ]


def test_silence_times_out(page: PageClient) -> None:
    """After the timeout the question counts as unanswered."""
    with pytest.raises(NoAnswerError, match="no sign of a reply for 1 s"):
        list(page.ask_question("anybody?", silence_timeout=1.0))


def test_error_from_check_ends_waiting(page: PageClient) -> None:
    """An exception of `check` ends the iteration at once."""

    class WorkerDiedError(Exception):
        pass

    def check() -> None:
        raise WorkerDiedError

    with pytest.raises(WorkerDiedError):
        list(page.ask_question("anybody?", check))


def test_stopped_workspace_ends_waiting(page: PageClient, slack: Workspace) -> None:
    """A stopped workspace raises an error before the timeout."""

    def stop() -> None:
        slack.stop_process()

    asked = page.ask_question("anybody?", stop)

    with pytest.raises(NoAnswerError, match="has stopped"):
        list(asked)
    with pytest.raises(NoAnswerError, match="does not respond"):
        list(page.ask_question("anybody?"))
    assert not page.is_bot_connected()


def test_no_bot_means_not_connected(page: PageClient) -> None:
    """The launcher waits for the connection before it asks."""
    assert not page.is_bot_connected()


def test_rejected_question_is_reported(slack: Workspace) -> None:
    """A user outside the channel gets an error."""
    stranger = PageClient(slack.url, "U0NOBODY01")

    with pytest.raises(NoAnswerError):
        list(stranger.ask_question("hello"))
