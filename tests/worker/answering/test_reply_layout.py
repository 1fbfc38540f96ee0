"""Reply layout: off the event loop, within a time limit."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from contract.language import Language
from testing.slack_parser import context_texts, model_text
from worker.answering.publishing.reply_layout import LAYOUT_THREADS, LayoutKind, ReplyLayout
from worker.render import Message, ReplyFacts, Snippet, texts

FACTS = ReplyFacts("m", "stop", 256)


@pytest.fixture
def busy_layout() -> Iterator[ReplyLayout]:
    """A layout whose threads are all occupied, and whose time limit is over at once."""
    layout, release = ReplyLayout(timeout_seconds=0.0), threading.Event()
    threads: ThreadPoolExecutor = layout._threads
    for _ in range(LAYOUT_THREADS):
        threads.submit(release.wait)
    yield layout
    release.set()
    threads.shutdown()


async def test_reply_is_rendered_in_another_thread() -> None:
    """The event loop stays free."""
    layout = ReplyLayout()

    thread = await layout.run_in_thread(threading.current_thread)

    assert thread is not threading.current_thread()
    composed, kind = await layout.compose_final("**x**", FACTS, LayoutKind.MARKDOWN)
    assert (model_text(composed.parts), kind) == ("x", LayoutKind.MARKDOWN)
    layout._threads.shutdown()


async def test_reply_that_takes_too_long_is_plain_text(busy_layout: ReplyLayout) -> None:
    """All of its text is in the file."""
    composed, kind = await busy_layout.compose_final("**x**\n\tcode", FACTS, LayoutKind.MARKDOWN)

    message, file = composed.parts
    assert kind is LayoutKind.PLAIN
    assert isinstance(message, Message)
    assert isinstance(file, Snippet)
    assert str(texts.SHOWN_AS_PLAIN_TEXT) in context_texts(message)
    assert model_text([message]) == "**x**\n\tcode"
    assert file.content == "**x**\n\tcode\n"


async def test_edit_that_takes_too_long_shows_progress(busy_layout: ReplyLayout) -> None:
    """The next edit may succeed."""
    message = await busy_layout.compose_growing("**x**", Language.ENGLISH)

    assert context_texts(message) == [str(texts.WRITING)]
