"""Ends tasks for certain."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

RECANCEL_SECONDS: Final = 0.5
"""Seconds."""


async def cancel_and_wait(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """
    Cancel tasks until each has ended.

    Once is not enough: `asyncio.wait_for` of Python 3.11, on which redis-py stands, swallows a
    cancellation that comes in the moment when what it waits for is done.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        done, pending = await asyncio.wait(pending, timeout=RECANCEL_SECONDS)
        for task in done:
            # Looked at, so that what an unwanted task ended with is not reported as forgotten.
            _ = task.cancelled() or task.exception()
