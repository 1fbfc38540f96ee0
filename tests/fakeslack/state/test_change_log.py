"""Change log and activity counter."""

import asyncio

from fakeslack.delivery.journal import DeliveryRecord, Journal
from fakeslack.state.change_log import DEFAULT_MAX_CHANGES, ActivityCounter, ChangeLog
from fakeslack.state.changes import Change, ChangeKind


async def test_changes_are_read_from_any_kept_number() -> None:
    """A reader continues at its last number; older changes are dropped."""
    change_log = ChangeLog(ActivityCounter())
    change = Change(ChangeKind.APP_CONNECTED)
    for _ in range(DEFAULT_MAX_CHANGES + 1):
        change_log.append_change(change)
    assert change_log.next_number == DEFAULT_MAX_CHANGES + 1
    assert [number for number, _ in change_log.changes_since(DEFAULT_MAX_CHANGES)] == [
        DEFAULT_MAX_CHANGES
    ]
    assert next(number for number, _ in change_log.changes_since(0)) == change_log.first_number == 1


async def test_waiting_ends_with_the_change_or_the_log() -> None:
    """A waiter wakes for its change, or when the log is closed."""
    activity = ActivityCounter()
    change_log = ChangeLog(activity)
    first, second = (asyncio.create_task(change_log.wait_for_change(number)) for number in (0, 1))
    await asyncio.sleep(0)
    change_log.append_change(Change(ChangeKind.APP_CONNECTED))
    await first
    assert not second.done()
    activity.stop_waiting()
    await second


async def test_calls_and_deliveries_count_as_activity() -> None:
    """Start and end of each count; a waiter for changes is not woken."""
    activity = ActivityCounter()
    journal, change_log = Journal(activity), ChangeLog(activity)
    change = asyncio.create_task(change_log.wait_for_change(0))
    waiters = [asyncio.create_task(activity.wait_for_activity(number)) for number in range(4)]
    call = journal.open_call("auth.test", {})
    journal.close_call(call)
    envelope = DeliveryRecord("E", "a", "b", None, None, None, 0, "", 0.0)
    journal.open_delivery(envelope)
    await asyncio.gather(*waiters[:3])
    assert not waiters[3].done()
    journal.close_delivery(envelope, "timeout")
    await waiters[3]
    assert (envelope.failure, envelope.acked_at) == ("timeout", None)
    assert not change.done()
    activity.stop_waiting()
    await change
