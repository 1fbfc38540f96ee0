"""Cancellation of asyncio tasks."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

RECANCEL_SECONDS: Final = 0.5
"""Seconds after which a task that has not ended is cancelled again."""


async def cancel_and_wait(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """
    Cancel asyncio tasks and wait until each has finished.

    One cancellation is not enough: in Python 3.11, `asyncio.wait_for`, which redis-py uses,
    swallows a cancellation that arrives while its awaited future completes.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        done, pending = await asyncio.wait(pending, timeout=RECANCEL_SECONDS)
        for task in done:
            # Retrieved, so that asyncio does not report the exception as never retrieved.
            _ = task.cancelled() or task.exception()
