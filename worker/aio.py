"""Ends tasks for certain."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

AGAIN: Final = 0.5
"""Seconds."""


async def end(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """
    Cancel tasks until each has ended.

    Once is not enough: `asyncio.wait_for` of Python 3.11, on which redis-py stands, swallows a
    cancellation that comes in the moment when what it waits for is done.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=AGAIN)
        for task in done:
            # Looked at, so that what an unwanted task ended with is not reported as forgotten.
            _ = task.cancelled() or task.exception()
