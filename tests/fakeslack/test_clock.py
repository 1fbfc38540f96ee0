"""Simulated clock: sleepers, adjustments and skewed timestamps."""

import asyncio
import time
import urllib.request
from email.utils import parsedate_to_datetime

import pytest

from fakeslack.clock import SimulatedClock
from testing.workspace import ADA, GENERAL, Workspace

DAY_SECONDS = 24 * 3600


def read_date_header(workspace: Workspace) -> float:
    """Return the time in a response's Date header."""
    address = f"{workspace.url}/_page/state?user={ADA}"
    with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310
        return parsedate_to_datetime(answer.headers["Date"]).timestamp()


def test_messages_and_responses_share_one_clock() -> None:
    """Skew applies at start and after a change; message timestamps never decrease."""
    with Workspace("--ahead", str(-DAY_SECONDS)) as workspace:
        first = float(workspace.post_message(ADA, GENERAL, "hello"))
        assert first == pytest.approx(time.time() - DAY_SECONDS, abs=10)
        assert read_date_header(workspace) == pytest.approx(first, abs=10)

        workspace.set_clock(ahead=DAY_SECONDS)
        second = float(workspace.post_message(ADA, GENERAL, "hello"))
        assert second == pytest.approx(time.time() + DAY_SECONDS, abs=10)
        assert read_date_header(workspace) == pytest.approx(second, abs=10)

        workspace.set_clock(ahead=0)
        assert float(workspace.post_message(ADA, GENERAL, "hello")) > second
        assert read_date_header(workspace) == pytest.approx(time.time(), abs=10)


async def test_advancing_the_clock_wakes_sleepers() -> None:
    """Advancing and speeding up the clock shorten a sleep."""
    clock = SimulatedClock()
    sleepers = [asyncio.create_task(clock.sleep(seconds)) for seconds in (300, 200, 400)]
    await asyncio.sleep(0)
    clock.adjust_clock(advance=299)
    await asyncio.sleep(0)
    assert [sleeper.done() for sleeper in sleepers] == [False, True, False]
    clock.adjust_clock(speed=1_000)
    async with asyncio.timeout(10):
        await asyncio.gather(*sleepers)
    assert clock.elapsed_seconds() >= 400
    await clock.sleep(0)


async def test_a_cancelled_sleeper_is_skipped() -> None:
    """Other sleepers wake in time."""
    clock = SimulatedClock()
    gone, staying = (asyncio.create_task(clock.sleep(seconds)) for seconds in (100, 200))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait([gone])
    clock.adjust_clock(advance=150)
    assert not staying.done()
    clock.adjust_clock(advance=100)
    await staying
    assert gone.cancelled()
