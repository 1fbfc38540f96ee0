"""Requests in flight: routes the child's messages to the callers that wait. Torch-free."""

import asyncio
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
from worker.engine.protocol import US_PER_SECOND
from worker.engine.token_rate import TokenRate

STATS: Final = ("step", "running", "waiting", "prefilled")
"""Numbers of a step message."""

EventQueue = asyncio.Queue[EngineEvent | EngineError]


class InFlightRequests:
    """
    Event queues of the requests in flight, keyed by wire id.

    A wire id is never reused. A late message about a closed request can't reach another request
    with the same id.
    """

    def __init__(self) -> None:
        self._queues: dict[str, EventQueue] = {}
        self._wire_ids: dict[str, str] = {}
        self._num_registered = 0
        self._token_rate = TokenRate()
        self._last_stats: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._queues)

    def register_request(self, request: Request) -> tuple[str, EventQueue]:
        """
        Return a new wire id and event queue for a request.

        Raises `ValueError` if a request with the same id is in flight.
        """
        if request.id in self._wire_ids:
            raise ValueError(f"request {request.id} is running already")
        self._num_registered += 1
        wire_id = str(self._num_registered)
        self._wire_ids[request.id] = wire_id
        self._queues[wire_id] = asyncio.Queue()
        return wire_id, self._queues[wire_id]

    def find_wire_id(self, request_id: str) -> str | None:
        """Return the wire id of a request in flight."""
        return self._wire_ids.get(request_id)

    def unregister_request(self, request_id: str, wire_id: str) -> bool:
        """Remove a request; returns whether the child still works on it."""
        if self._wire_ids.get(request_id) == wire_id:
            del self._wire_ids[request_id]
        return self._queues.pop(wire_id, None) is not None

    def dispatch_message(self, message: dict[str, Any]) -> None:
        """Deliver the events of a `refused` or `step` message."""
        if "refused" in message:
            self._finish_request(message["refused"], RequestRefusedError(message["reason"]))
            return
        self._last_stats = {name: message[name] for name in STATS}
        gpu_us = message.get("gpu_us", {})
        for wire_id, ids in message.get("tokens", {}).items():
            self._token_rate.add_tokens(len(ids))
            if wire_id in self._queues:
                gpu_seconds = gpu_us.get(wire_id, 0) / US_PER_SECOND
                self._queues[wire_id].put_nowait(Tokens(tuple(ids), gpu_seconds))
        for wire_id, (reason, prompt, new, used_us) in message.get("finished", {}).items():
            finished = Finished(FinishReason(reason), prompt, new, used_us / US_PER_SECOND)
            self._finish_request(wire_id, finished)
        for wire_id, code in message.get("failed", {}).items():
            self._finish_request(wire_id, EngineError(f"the engine failed at this request: {code}"))

    def fail_all(self, reason: str) -> int:
        """Finish every request with `EngineLostError`; returns how many there were."""
        lost = list(self._queues)
        for wire_id in lost:
            self._finish_request(wire_id, EngineLostError(reason))
        self._last_stats = {}
        return len(lost)

    def summarize_load(self) -> EngineStats:
        """Return the load of the last step message and the recent token rate."""
        return EngineStats(
            running=self._last_stats.get("running", 0),
            waiting=self._last_stats.get("waiting", 0),
            steps=self._last_stats.get("step", 0),
            tokens_per_second=self._token_rate.average_window(),
            prefilled_tokens=self._last_stats.get("prefilled", 0),
        )

    def _finish_request(self, wire_id: str, event: Finished | EngineError) -> None:
        queue = self._queues.pop(wire_id, None)
        if queue is not None:
            queue.put_nowait(event)
