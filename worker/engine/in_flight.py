"""Sorts what the child says to the requests that wait for it, and counts; torch-free."""

import asyncio
import time
from collections import deque
from typing import Any, Final

from worker.engine import (
    EngineError,
    EngineLostError,
    Event,
    Finished,
    FinishReason,
    Request,
    RequestRefusedError,
    Stats,
    Tokens,
)

RECENT: Final = 5.0
"""Seconds over which tokens per second are counted."""

Queue = asyncio.Queue[Event | EngineError]


class Answers:
    """
    The requests in flight. On the wire each has a number of its own.

    Numbers are never used again: a late word about a request that was closed cannot reach another
    one with the same id.
    """

    def __init__(self) -> None:
        self._queues: dict[str, Queue] = {}
        self._numbers: dict[str, str] = {}
        self._count = 0
        self._seen: deque[tuple[float, int]] = deque()
        self._told: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._queues)

    def begin(self, request: Request) -> tuple[str, Queue]:
        """Give a request its number and the queue of its events."""
        if request.id in self._numbers:
            raise ValueError(f"request {request.id} is running already")
        self._count += 1
        number = str(self._count)
        self._numbers[request.id] = number
        self._queues[number] = asyncio.Queue()
        return number, self._queues[number]

    def number(self, request_id: str) -> str | None:
        """Return the number of a request in flight."""
        return self._numbers.get(request_id)

    def end(self, request_id: str, number: str) -> bool:
        """Forget a request; say whether the child still works on it."""
        if self._numbers.get(request_id) == number:
            del self._numbers[request_id]
        return self._queues.pop(number, None) is not None

    def hear(self, message: dict[str, Any]) -> None:
        """Hand on what a `refused` or a `step` message says."""
        if "refused" in message:
            self._last(message["refused"], RequestRefusedError(message["why"]))
            return
        self._told = {name: message[name] for name in ("step", "running", "waiting")}
        for number, ids in message.get("tokens", {}).items():
            self._seen.append((time.monotonic(), len(ids)))
            if number in self._queues:
                self._queues[number].put_nowait(Tokens(tuple(ids)))
        for number, (reason, prompt_tokens, new_tokens) in message.get("ended", {}).items():
            self._last(number, Finished(FinishReason(reason), prompt_tokens, new_tokens))
        for number, code in message.get("failed", {}).items():
            self._last(number, EngineError(f"the engine failed at this request: {code}"))

    def lose(self, why: str) -> int:
        """End all requests with `EngineLostError`; return how many there were."""
        lost = list(self._queues)
        for number in lost:
            self._last(number, EngineLostError(why))
        self._told = {}
        return len(lost)

    def stats(self) -> Stats:
        """Return what the child last said, with the pace of the last seconds."""
        since = time.monotonic() - RECENT
        while self._seen and self._seen[0][0] < since:
            self._seen.popleft()
        return Stats(
            running=self._told.get("running", 0),
            waiting=self._told.get("waiting", 0),
            steps=self._told.get("step", 0),
            tokens_per_second=sum(count for _, count in self._seen) / RECENT,
        )

    def _last(self, number: str, event: Finished | EngineError) -> None:
        queue = self._queues.pop(number, None)
        if queue is not None:
            queue.put_nowait(event)
