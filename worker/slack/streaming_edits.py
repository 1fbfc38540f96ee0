"""Streaming edits: the reply's message follows the text while it is generated."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Protocol, Self

from worker.render.model import Message
from worker.slack.client import RetryLaterError

RenderText = Callable[[str], Awaitable[Message]]


class GrowingMessage(Protocol):
    """Message that is edited while its text grows."""

    async def update_text(self, message: Message) -> None:
        """Show the text so far. Raises `RetryLaterError` if the rate limit forbids it now."""
        ...

    def seconds_until_next_edit(self, edits: int) -> float:
        """Return the seconds until the next edit, after `edits` edits."""
        ...


class StreamingEdits:
    """Edits the placeholder while text arrives: the newest text only, one edit at a time."""

    def __init__(
        self, message: GrowingMessage, render: RenderText, edit_interval: float, *, is_silent: bool
    ) -> None:
        """With `is_silent`, show no text before the final."""
        self._message = message
        self._render = render
        self._edit_interval = edit_interval
        self._is_silent = is_silent
        self._text = ""
        self._text_changed = asyncio.Event()
        self._finished = asyncio.Event()
        self._edit_task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if not self._is_silent:
            self._edit_task = asyncio.create_task(self._edit_loop())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._finished.set()
        self._text_changed.set()
        if self._edit_task is None:
            return
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            self._edit_task.cancel()
            return
        # Await an edit in flight: if cancelled, it could reach Slack after the final.
        await self._edit_task

    async def show_text(self, text: str) -> None:
        """Show this text at the next edit. Raises the error of an earlier edit, if one failed."""
        self._text = text
        self._text_changed.set()
        if self._edit_task is not None and self._edit_task.done():
            await self._edit_task

    async def _edit_loop(self) -> None:
        edits, min_delay = 0, 0.0
        while True:
            await self._text_changed.wait()
            with contextlib.suppress(TimeoutError):
                delay = max(self._message.seconds_until_next_edit(edits), min_delay, 0.001)
                await asyncio.wait_for(self._finished.wait(), delay)
            if self._finished.is_set():
                return
            self._text_changed.clear()
            try:
                await self._message.update_text(await self._render(self._text))
                min_delay = 0.0
            except RetryLaterError:
                self._text_changed.set()
                min_delay = self._edit_interval
            edits += 1
