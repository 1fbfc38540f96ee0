"""Streaming edits: the reply's message follows the text while it is generated."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, Self

from worker.render.model import Message
from worker.slack.client import RetryLaterError

RenderText = Callable[[str], Awaitable[Message]]
EDIT_TOKENS: Final = (1, 12, 36, 80, 136, 196)
"""Tokens from which on each of the first edits may be made: early ones show soon that it works."""
LATER_EDIT_TOKENS: Final = 64
"""Tokens between two later edits."""


def tokens_before_edit(edits: int) -> int:
    """
    Return the tokens that a reply must have before its next edit, after `edits` edits.

    So a reply of 256 tokens costs at most ten calls at any speed: six edits, placeholder, final,
    and the session's begin and end.
    """
    later = edits - len(EDIT_TOKENS) + 1
    return EDIT_TOKENS[edits] if later <= 0 else EDIT_TOKENS[-1] + later * LATER_EDIT_TOKENS


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
        self._text, self._num_tokens = "", 0
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

    async def show_text(self, text: str, num_tokens: int) -> None:
        """
        Show this text of so many tokens at the next edit.

        Raises the error of an earlier edit, if one failed.
        """
        self._text, self._num_tokens = text, num_tokens
        self._text_changed.set()
        if self._edit_task is not None and self._edit_task.done():
            await self._edit_task

    async def _edit_loop(self) -> None:
        edits, attempts, min_delay = 0, 0, 0.0
        while True:
            await self._text_changed.wait()
            if self._num_tokens < tokens_before_edit(edits) and not self._finished.is_set():
                self._text_changed.clear()
                continue
            with contextlib.suppress(TimeoutError):
                delay = max(self._message.seconds_until_next_edit(attempts), min_delay, 0.001)
                await asyncio.wait_for(self._finished.wait(), delay)
            if self._finished.is_set():
                return
            self._text_changed.clear()
            try:
                await self._message.update_text(await self._render(self._text))
                min_delay, edits = 0.0, edits + 1
            except RetryLaterError:
                self._text_changed.set()
                min_delay = self._edit_interval
            attempts += 1
