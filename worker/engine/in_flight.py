"""Sorts what the child says to the requests that wait for it, and counts; torch-free."""

import asyncio
import time
from collections import deque
from typing import Any, Final

from worker.engine import (
    EngineError,
    EngineEvent,
    EngineLostError,
    EngineStats,
    Finished,
    FinishReason,
    Request,
    RequestRefusedError,
    Tokens,
)

RATE_WINDOW_SECONDS: Final = 5.0
"""Seconds over which tokens per second are counted."""

EventQueue = asyncio.Queue[EngineEvent | EngineError]


class InFlightRequests:
    """
    The requests in flight. On the wire each has a number of its own.

    Numbers are never used again: a late word about a request that was closed cannot reach another
    one with the same id.
    """

    def __init__(self) -> None:
        self._queues: dict[str, EventQueue] = {}
        self._wire_ids: dict[str, str] = {}
        self._num_registered = 0
        self._recent_tokens: deque[tuple[float, int]] = deque()
        self._last_stats: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._queues)

    def register_request(self, request: Request) -> tuple[str, EventQueue]:
        """Give a request its number and the queue of its events."""
        if request.id in self._wire_ids:
            raise ValueError(f"request {request.id} is running already")
        self._num_registered += 1
        wire_id = str(self._num_registered)
        self._wire_ids[request.id] = wire_id
        self._queues[wire_id] = asyncio.Queue()
        return wire_id, self._queues[wire_id]

    def find_wire_id(self, request_id: str) -> str | None:
        """Return the number of a request in flight."""
        return self._wire_ids.get(request_id)

    def unregister_request(self, request_id: str, wire_id: str) -> bool:
        """Forget a request; say whether the child still works on it."""
        if self._wire_ids.get(request_id) == wire_id:
            del self._wire_ids[request_id]
        return self._queues.pop(wire_id, None) is not None

    def dispatch_message(self, message: dict[str, Any]) -> None:
        """Hand on what a `refused` or a `step` message says."""
        if "refused" in message:
            self._finish_request(message["refused"], RequestRefusedError(message["why"]))
            return
        self._last_stats = {name: message[name] for name in ("step", "running", "waiting")}
        for wire_id, ids in message.get("tokens", {}).items():
            self._recent_tokens.append((time.monotonic(), len(ids)))
            if wire_id in self._queues:
                self._queues[wire_id].put_nowait(Tokens(tuple(ids)))
        for wire_id, (reason, prompt_tokens, new_tokens) in message.get("ended", {}).items():
            self._finish_request(wire_id, Finished(FinishReason(reason), prompt_tokens, new_tokens))
        for wire_id, code in message.get("failed", {}).items():
            self._finish_request(wire_id, EngineError(f"the engine failed at this request: {code}"))

    def fail_all(self, reason: str) -> int:
        """End all requests with `EngineLostError`; return how many there were."""
        lost = list(self._queues)
        for wire_id in lost:
            self._finish_request(wire_id, EngineLostError(reason))
        self._last_stats = {}
        return len(lost)

    def read_stats(self) -> EngineStats:
        """Return what the child last said, with the pace of the last seconds."""
        since = time.monotonic() - RATE_WINDOW_SECONDS
        while self._recent_tokens and self._recent_tokens[0][0] < since:
            self._recent_tokens.popleft()
        return EngineStats(
            running=self._last_stats.get("running", 0),
            waiting=self._last_stats.get("waiting", 0),
            steps=self._last_stats.get("step", 0),
            tokens_per_second=sum(count for _, count in self._recent_tokens) / RATE_WINDOW_SECONDS,
        )

    def _finish_request(self, wire_id: str, event: Finished | EngineError) -> None:
        queue = self._queues.pop(wire_id, None)
        if queue is not None:
            queue.put_nowait(event)
