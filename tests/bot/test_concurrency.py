"""Parts that threads of the bot share: keys seen before, and work that comes first."""

import threading

from bot.concurrency import AlarmClock, RecentKeys


def test_oldest_key_is_forgotten_beyond_the_maximum() -> None:
    """The memory is bounded, and a key that is added again takes no second place."""
    recent = RecentKeys(max_keys=2)
    for key in ("a", "b", "b", "c"):
        recent.add(key)

    assert [key in recent for key in ("a", "b", "c")] == [False, True, True]


def test_woken_thread_waits_for_work_that_comes_first() -> None:
    """It runs after the last thread that held it back."""
    alarm, order = AlarmClock(), []
    is_waiting = threading.Event()

    def wait_and_record() -> None:
        is_waiting.set()
        alarm.wait_for_urgent_work(60)
        order.append("woken")

    thread = threading.Thread(target=wait_and_record)
    with alarm.hold_back(), alarm.hold_back():
        thread.start()
        is_waiting.wait(10)
        order.append("urgent")
    thread.join(10)

    assert order == ["urgent", "woken"]


def test_wait_for_work_that_comes_first_is_bounded() -> None:
    """Requests without end hold up no question; a stopped clock ends each wait."""
    alarm = AlarmClock()
    with alarm.hold_back():
        alarm.wait_for_urgent_work(0)
        alarm.wait_for_urgent_work(-1)
        alarm.stop()
        alarm.wait_for_urgent_work(10_000)
