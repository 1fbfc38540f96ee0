"""Requests that wait until an engine is ready: each may be stopped, and ends at its deadline."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from worker.aio import cancel_and_wait
from worker.engine import Finished, FinishReason, ModelInfo, Request


class ReadyWait:
    """The waiting requests of one engine, by id."""

    def __init__(self) -> None:
        self._ends: dict[str, asyncio.Future[FinishReason]] = {}

    async def wait_for_model(
        self, request: Request, wait_ready: Callable[[], Coroutine[Any, Any, ModelInfo]]
    ) -> ModelInfo | Finished:
        """
        Return what `wait_ready` returns, or the request's end if that comes first.

        The caller may register the request elsewhere before it suspends: no stop is lost between.
        Raises what `wait_ready` raises, and `ValueError` if a request with the same id waits.
        """
        if request.id in self._ends:
            raise ValueError(f"request {request.id} is running already")
        loop = asyncio.get_running_loop()
        end = self._ends[request.id] = loop.create_future()
        alarm = None
        if request.deadline is not None:
            alarm = loop.call_at(request.deadline, _end_wait, end, FinishReason.TIMEOUT)
        ready = asyncio.create_task(wait_ready())
        try:
            await asyncio.wait({ready, end}, return_when=asyncio.FIRST_COMPLETED)
            await cancel_and_wait({ready})
            if end.done():
                return Finished(end.result(), len(request.prompt), 0, 0.0)
            return ready.result()
        finally:
            if alarm is not None:
                alarm.cancel()
            ready.cancel()
            del self._ends[request.id]

    def stop_request(self, request_id: str) -> None:
        """End a request if it waits."""
        end = self._ends.get(request_id)
        if end is not None:
            _end_wait(end, FinishReason.STOPPED)


def _end_wait(end: asyncio.Future[FinishReason], reason: FinishReason) -> None:
    if not end.done():
        end.set_result(reason)
