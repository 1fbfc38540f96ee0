"""Asyncio tasks and blocking calls that end with a shutdown."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

RECANCEL_SECONDS: Final = 0.5
"""Seconds after which a task that has not ended is cancelled again."""
STOP_STEP_SECONDS: Final = 3.0
"""Maximum seconds for one step of a shutdown, while Redis does not answer."""


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


async def run_in_thread_until(event: asyncio.Event, call: Callable[[], object]) -> bool:
    """Run a blocking call in a thread; return false if `event` is set before its end."""
    running = asyncio.create_task(asyncio.to_thread(call))
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            return False
        await running
    finally:
        await cancel_and_wait([running, waiting])
    return True
