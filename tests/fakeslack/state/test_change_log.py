"""Change log and activity counter."""

import asyncio

from fakeslack.delivery.journal import DeliveryRecord, Journal
from fakeslack.state.change_log import DEFAULT_MAX_CHANGES as FEED_KEPT
from fakeslack.state.change_log import ActivityCounter, ChangeLog
from fakeslack.state.changes import Change, ChangeKind


async def test_a_feed_is_read_from_any_number_still_kept() -> None:
    """Readers start where they left off; what is too old is gone."""
    feed = ChangeLog(ActivityCounter())
    change = Change(ChangeKind.APP_CONNECTED)
    for _ in range(FEED_KEPT + 1):
        feed.append_change(change)
    assert feed.next_number == FEED_KEPT + 1
    assert [number for number, _ in feed.changes_since(FEED_KEPT)] == [FEED_KEPT]
    assert next(number for number, _ in feed.changes_since(0)) == feed.first_number == 1


async def test_waiting_for_a_change_ends_with_it_or_with_the_feed() -> None:
    """Whoever waits is woken by the change, and let go when nothing more will come."""
    pulse = ActivityCounter()
    feed = ChangeLog(pulse)
    first, second = (asyncio.create_task(feed.wait_for_change(number)) for number in (0, 1))
    await asyncio.sleep(0)
    feed.append_change(Change(ChangeKind.APP_CONNECTED))
    await first
    assert not second.done()
    pulse.stop_waiting()
    await second


async def test_a_sleeper_is_woken_by_calls_and_deliveries_too() -> None:
    """A call or delivery beats at its begin and end; who waits for a change sleeps on."""
    pulse = ActivityCounter()
    journal, feed = Journal(pulse), ChangeLog(pulse)
    change = asyncio.create_task(feed.wait_for_change(0))
    beats = [asyncio.create_task(pulse.wait_for_activity(number)) for number in range(4)]
    call = journal.open_call("auth.test", {})
    journal.close_call(call)
    envelope = DeliveryRecord("E", "a", "b", None, None, None, 0, "", 0.0)
    journal.open_delivery(envelope)
    await asyncio.gather(*beats[:3])
    assert not beats[3].done()
    journal.close_delivery(envelope, "timeout")
    await beats[3]
    assert (envelope.failure, envelope.acked_at) == ("timeout", None)
    assert not change.done()
    pulse.stop_waiting()
    await change
