"""The reply as readers see it: one placeholder, edits at a bearable pace, one final."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Final, Self

import structlog

from contract import keys
from contract.job import Job, Streaming
from worker import render
from worker.errors import LeaseLostError
from worker.failpoints import Faults, Point
from worker.jobs.job_state import Entry, Ledger
from worker.render.model import Message, Part, Snippet
from worker.slack.client import BusyError, FixedError, RefusedError
from worker.slack.thread_messages import SlackThread

log = structlog.get_logger()

SLOWER: Final = 1.25
"""Each edit of a long reply comes that much later than the one before, so that ten calls do."""
SLOWEST: Final = 6.0
"""Seconds between two edits at most."""
FIRST: Final = 1
"""The part number of the placeholder's message."""
POSTER_ALIVE: Final = (0.3, 0.3, 0.4)
"""Seconds between looks for the `ts` that a poster who is alive writes down right away."""

Render = Callable[[str], Message]


class Posting:
    """Shows one job's reply. Every outside effect stands behind the lease."""

    def __init__(
        self, thread: SlackThread, ledger: Ledger, job: Job, faults: Faults, pace: float
    ) -> None:
        """Edit at most each `pace` seconds."""
        self._thread = thread
        self._ledger = ledger
        self._job = job
        self._faults = faults
        self._pace = pace
        self._ts: str | None = None
        self._shown: Message | None = None
        self._edited = -float("inf")
        self._fixed = False

    async def open(self, entry: Entry, sign: Message | None) -> None:
        """
        Make sure that the thread has our placeholder, exactly one.

        One that an earlier execution or the bot has posted is adopted and shows `sign` from now on;
        without a `sign` it stays as it is, because the final follows at once.
        """
        who = f"worker:{self._ledger.lease.execution}"
        self._ts = entry.placeholder
        if self._ts is None:
            first = await self._ledger.settle(keys.PLACEHOLDER_OWNER, who)
            if first != who:
                self._ts = await self._adopted(first)
        if self._ts is None:
            await self._post(sign or render.compose_growing(""))
        elif sign is not None:
            await self.sign(sign)

    async def _adopted(self, first: str) -> str | None:
        """Find what `first` set out to post before us, if it ever appears."""
        pauses = () if first.startswith("worker:") else POSTER_ALIVE
        for pause in (0.0, *pauses):
            await asyncio.sleep(pause)
            ts = await self._ledger.value(keys.PLACEHOLDER)
            if ts:
                return ts
        found = (await self._thread.look_for(FIRST)).parts.get(FIRST)
        return None if found is None else await self._ledger.settle(keys.PLACEHOLDER, found)

    async def _post(self, sign: Message, state: str = "placeholder") -> None:
        await self._ledger.check()
        self._faults.hit(Point.BEFORE_PLACEHOLDER)
        posted = await self._thread.post(sign, FIRST, state)
        self._faults.hit(Point.AFTER_PLACEHOLDER_POST)
        try:
            self._ts = await self._ledger.settle(keys.PLACEHOLDER, posted)
        except LeaseLostError:
            self._ts = await self._ledger.value(keys.PLACEHOLDER)
            raise
        finally:
            # Somebody else's stands already: two would be one too many.
            if self._ts != posted:
                await self._thread.delete(posted)
        self._faults.hit(Point.AFTER_PLACEHOLDER_SAVED)
        self._shown, self._edited = sign, time.monotonic()

    async def sign(self, message: Message) -> None:
        """Say what the reply is waiting for; left out where Slack has no room for it now."""
        if message == self._shown or self._ts is None:
            return
        with contextlib.suppress(BusyError, RefusedError):
            await self._thread.try_edit(self._ts, message, "placeholder", self._ledger.check)
            self._shown, self._edited = message, time.monotonic()

    def growing(self, render: Render) -> "Growing":
        """Begin to show a growing text; use as a context manager around the generation."""
        return Growing(self, render, self._pace, quiet=self._job.streaming is Streaming.OFF)

    async def grow(self, message: Message) -> None:
        """Show what there is so far. Raises `BusyError` where there is no room for it now."""
        if message == self._shown or self._ts is None or self._fixed:
            return
        try:
            await self._thread.try_edit(self._ts, message, "growing", self._ledger.check)
        except RefusedError as error:
            self._fixed = isinstance(error, FixedError)
            log.warning("edit refused", job=self._job.id, error=str(error))
        self._shown, self._edited = message, time.monotonic()

    def due(self, edits: int) -> float:
        """Return the seconds until the next edit may come, after `edits` of them."""
        pause = min(SLOWEST, self._pace * SLOWER**edits)
        return max(0.0, self._edited + pause - time.monotonic())

    async def finish(self, parts: Sequence[Part], *, state: str, again: bool) -> None:
        """
        Show the finished reply: the first part in the placeholder's place, the others after it.

        `again` says that an earlier attempt may have posted some: those are looked for first.
        """
        first, *others = parts
        assert isinstance(first, Message)  # noqa: S101 - files follow the words that name them
        if self._ts is None:
            await self._post(first)
        await self._ledger.check()
        try:
            await self._thread.edit(str(self._ts), first, state)
        except FixedError:
            await self._replace(str(self._ts), first, state)
        self._faults.hit(Point.AFTER_FINAL)
        found = await self._thread.look() if others and again else None
        for number, part in enumerate(others, FIRST + 1):
            await self._ledger.check()
            if isinstance(part, Snippet):
                await self._file(number, part, found.files if found else frozenset())
            elif not (found and number in found.parts):
                await self._thread.post(part, number, state)
                self._faults.hit(Point.AFTER_PART_POST)

    async def _replace(self, old: str, first: Message, state: str) -> None:
        """Post the reply anew where Slack lets nobody change the placeholder any more."""
        log.info("placeholder replaced", job=self._job.id)
        # Forgotten before it goes: whoever comes after us looks for what there is, and finds one.
        await self._ledger.write(**{keys.PLACEHOLDER: ""})
        with contextlib.suppress(RefusedError):
            await self._thread.delete(old)
        await self._post(first, state)

    async def _file(self, number: int, snippet: Snippet, there: frozenset[str]) -> None:
        file = await self._ledger.value(f"{keys.FILE_ID_PREFIX}{number}")
        if file is None:
            file = await self._thread.upload(snippet)
            await self._ledger.write(**{f"{keys.FILE_ID_PREFIX}{number}": file})
            self._faults.hit(Point.AFTER_FILE_UPLOADED)
        elif file in there or await self._thread.shows(file):
            return
        await self._thread.show(file, snippet)
        self._faults.hit(Point.AFTER_FILE_POST)

    async def withdraw(self) -> bool:
        """Delete what we have posted if the question itself was deleted; says whether it was."""
        found = await self._thread.look()
        if found.question:
            return False
        for ts in sorted({*found.parts.values(), *filter(None, [self._ts])}):
            await self._ledger.check()
            await self._thread.delete(ts)
        return True


class Growing:
    """Edits the placeholder while text arrives: only the newest, and never two edits at once."""

    def __init__(self, posting: Posting, render: Render, pace: float, *, quiet: bool) -> None:
        """`quiet` shows nothing before the end."""
        self._posting = posting
        self._render = render
        self._pace = pace
        self._quiet = quiet
        self._text = ""
        self._fresh = asyncio.Event()
        self._over = asyncio.Event()
        self._painter: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if not self._quiet:
            self._painter = asyncio.create_task(self._paint())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._over.set()
        self._fresh.set()
        if self._painter is None:
            return
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            self._painter.cancel()
            return
        # An edit on its way is awaited: cut off, it could reach Slack after the final.
        await self._painter

    async def show(self, text: str) -> None:
        """Show this text when its time comes. Raises what an edit before has ended with."""
        self._text = text
        self._fresh.set()
        if self._painter is not None and self._painter.done():
            await self._painter

    async def _paint(self) -> None:
        edits, busy = 0, 0.0
        while True:
            await self._fresh.wait()
            with contextlib.suppress(TimeoutError):
                pause = max(self._posting.due(edits), busy, 0.001)
                await asyncio.wait_for(self._over.wait(), pause)
            if self._over.is_set():
                return
            self._fresh.clear()
            try:
                await self._posting.grow(self._render(self._text))
                busy = 0.0
            except BusyError:
                self._fresh.set()
                busy = self._pace
            edits += 1
