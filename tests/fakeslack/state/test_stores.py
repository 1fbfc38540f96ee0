"""The small stores beside the messages: files, limits, faults, journal, feed, clock."""

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakeslack.clock import SimulatedClock
from fakeslack.delivery.faults import FaultInjector, FaultKind, FaultRule
from fakeslack.delivery.journal import DEFAULT_MAX_RECORDS as JOURNAL_KEPT
from fakeslack.delivery.journal import DeliveryRecord, Journal
from fakeslack.errors import SlackError
from fakeslack.state.change_log import DEFAULT_MAX_CHANGES as FEED_KEPT
from fakeslack.state.change_log import ActivityCounter, ChangeLog
from fakeslack.state.changes import Change, ChangeKind
from fakeslack.state.files import File, FileStore
from fakeslack.state.limits import RateLimits

Json = dict[str, Any]


class ManualClock:
    """A watch that a test turns."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def test_a_file_is_promised_received_and_finished() -> None:
    """Only what was promised is taken, and it exists once it is finished."""
    files = FileStore(ManualClock())
    file = files.reserve_upload("U1", "a.py", 5)
    assert files.store_content(file.id, b"x = 1") is file
    assert files.complete_upload(file.id, "") is file
    shown = file.as_slack("http://slack.test")
    assert (shown["filetype"], shown["mode"], shown["preview"]) == ("python", "snippet", "x = 1")
    assert shown["url_private"].startswith("http://slack.test/files-pri/T0FAKE0001-")
    files.record_share(file, "C1", "1.000000", None)
    files.record_share(file, "C1", "2.000000", "1.000000")
    assert file.channels == ["C1"]
    assert file.shares["C1"][1] == {"ts": "2.000000", "thread_ts": "1.000000"}


def test_wrong_files_are_refused() -> None:
    """Unknown kinds, too long snippets, other lengths and unfinished uploads are refused."""
    files = FileStore(ManualClock())
    with pytest.raises(SlackError, match="unknown_snippet_type"):
        files.reserve_upload("U1", "a", 1, "poem")
    with pytest.raises(SlackError, match="snippet_too_large"):
        files.reserve_upload("U1", "a", 2**20 + 1, "python")
    file = files.reserve_upload("U1", "a.png", 2)
    assert not file.is_text
    with pytest.raises(SlackError, match="file_not_found"):
        files.complete_upload(file.id, "")
    with pytest.raises(SlackError, match="file_update_failed"):
        files.store_content(file.id, b"abc")
    files.store_content(file.id, b"ab")
    with pytest.raises(SlackError, match="file_update_failed"):
        files.store_content(file.id, b"ab")
    files.complete_upload(file.id, "")
    for name in (file.id, "F9"):
        with pytest.raises(SlackError, match="file_not_found"):
            files.complete_upload(name, "")


def test_a_promised_file_shows_no_text_yet() -> None:
    """There is no preview before there is content."""
    assert "preview" not in File("F1", "U1", "a.py", 3, "python").as_slack("")


def test_a_method_may_be_called_so_often_a_minute() -> None:
    """The tier's number of calls fit into each minute; then the caller is told how long to wait."""
    watch = ManualClock()
    limits = RateLimits(watch)
    assert [limits.acquire_call("chat.startStream", 2) for _ in range(21)] == [None] * 20 + [60]
    watch.seconds += 59.5
    assert limits.acquire_call("chat.startStream", 2) == 1
    assert limits.acquire_call("chat.update", 3) is None
    watch.seconds += 1
    assert limits.acquire_call("chat.startStream", 2) is None


def test_a_channel_takes_a_short_burst_and_then_one_message_a_second() -> None:
    """Four messages may come at once; after that each needs its second."""
    watch = ManualClock()
    limits = RateLimits(watch)
    assert [limits.acquire_post("C1") for _ in range(6)] == [None] * 4 + [1, 1]
    assert limits.acquire_post("C2") is None
    watch.seconds += 1
    assert [limits.acquire_post("C1") for _ in range(2)] == [None, 1]
    watch.seconds += 1_000
    assert [limits.acquire_post("C1") for _ in range(5)] == [None] * 4 + [1]


@given(st.lists(st.floats(0, 5), max_size=80))
def test_no_minute_ever_holds_more_calls_than_the_tier(gaps: list[float]) -> None:
    """However calls are spaced, no window of a minute sees more than twenty accepted."""
    watch = ManualClock()
    limits = RateLimits(watch)
    accepted: list[float] = []
    for gap in gaps:
        watch.seconds += gap
        if limits.acquire_call("chat.startStream", 2) is None:
            accepted.append(watch.seconds)
    for start in accepted:
        assert sum(start <= when < start + 60 for when in accepted) <= 20


def test_a_rule_strikes_the_calls_it_names() -> None:
    """A rule passes over some calls, strikes so many, and leaves other methods alone."""
    faults = FaultInjector()
    rule = {"fault": "slow", "method": "chat.*", "skip": 1, "count": 2}
    faults.replace_rules([rule], {}, 0)
    methods = ["chat.update", "users.info", "chat.update", "chat.delete", "chat.update"]
    struck = [faults.match_rule(method) is not None for method in methods]
    assert struck == [False, False, True, True, False]
    assert faults.rules[0].times_applied == 2


def test_a_rule_for_one_channel_leaves_the_others_alone() -> None:
    """Errors can be dealt out, each to a conversation of its own."""
    faults = FaultInjector()
    faults.replace_rules([{"fault": "error", "method": "chat.*", "channel": "C1"}], {}, 0)
    calls = [
        ("chat.update", "C1"),
        ("chat.update", "C2"),
        ("users.info", "C1"),
        ("chat.update", ""),
    ]
    struck = [faults.match_rule(method, channel) is not None for method, channel in calls]
    assert struck == [True, False, False, False]


def test_chance_is_repeatable_by_its_seed() -> None:
    """The same seed strikes the same calls."""

    def run_calls(seed: int) -> list[bool]:
        faults = FaultInjector()
        faults.replace_rules([{"fault": "html", "probability": 0.5}], {}, seed)
        return [faults.match_rule("a") is not None for _ in range(40)]

    assert run_calls(1) == run_calls(1)
    assert run_calls(1) != run_calls(2)
    assert 5 < sum(run_calls(1)) < 35


def test_deliveries_are_doubled_and_mixed_on_demand() -> None:
    """Without a wish each delivery goes out once."""
    faults = FaultInjector()
    assert faults.draw_copies() == 1
    faults.replace_rules([], {"duplicate": 1.0, "copies": 3, "reorder": 4}, 0)
    assert faults.draw_copies() == 4
    assert sorted(faults.shuffle_deliveries([1, 2, 3, 4])) == [1, 2, 3, 4]


@pytest.mark.parametrize("rule", [{"fault": "odd"}, {}, {"fault": "slow", "loud": True}])
def test_a_rule_that_cannot_be_read_is_refused(rule: Json) -> None:
    """A typing error in a rule must not pass for a fault."""
    with pytest.raises(SlackError, match="invalid_arguments"):
        FaultInjector().replace_rules([rule], {}, 0)


def test_a_refusal_answers_as_slack_does() -> None:
    """`ok` is false, the error has a name, and messages come as metadata."""
    assert SlackError("a", needed="b").to_response() == {"ok": False, "error": "a", "needed": "b"}
    said = SlackError("a", "why").to_response()
    assert said["response_metadata"] == {"messages": ["why"]}


def test_a_rule_without_a_pattern_strikes_every_method() -> None:
    """The default pattern matches all."""
    assert FaultRule(FaultKind.SLOW).matches_call("x", "", random.Random(0))  # noqa: S311 - repeatable


def test_the_journal_numbers_calls_and_forgets_the_oldest() -> None:
    """Numbers go on when old calls are forgotten."""
    journal = Journal(ActivityCounter())
    for _ in range(JOURNAL_KEPT + 2):
        journal.open_call("auth.test", {})
    assert journal.next_call_number == JOURNAL_KEPT + 2
    assert journal.calls_since()[0]["number"] == 2
    assert [call["number"] for call in journal.calls_since(JOURNAL_KEPT)] == [
        JOURNAL_KEPT,
        JOURNAL_KEPT + 1,
    ]
    for number in range(JOURNAL_KEPT + 1):
        journal.open_delivery(DeliveryRecord(str(number), "a", "b", None, None, None, 0, "", 0.0))
    assert len(journal.deliveries) == JOURNAL_KEPT
    assert journal.deliveries[0].envelope_id == "1"
    assert journal.first_delivery_number == 1


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


async def test_a_sleeper_notices_that_the_clock_is_moved() -> None:
    """Five minutes pass at once when the clock is moved forward, and soon when it is hurried."""
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


async def test_a_sleeper_that_is_gone_wakes_nobody() -> None:
    """Whoever gives up sleeping is passed over."""
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
