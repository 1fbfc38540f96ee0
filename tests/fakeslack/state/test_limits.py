"""Rate limits: calls per minute by tier, posts per second by channel."""

from hypothesis import given
from hypothesis import strategies as st

from fakeslack.state.limits import RateLimits
from tests.fakeslack.conftest import ManualClock


def test_calls_per_minute_are_limited_by_tier() -> None:
    """Beyond the tier's limit the caller gets the seconds to wait."""
    watch = ManualClock()
    limits = RateLimits(watch)
    assert [limits.acquire_call("chat.startStream", 2) for _ in range(21)] == [None] * 20 + [60]
    watch.seconds += 59.5
    assert limits.acquire_call("chat.startStream", 2) == 1
    assert limits.acquire_call("chat.update", 3) is None
    watch.seconds += 1
    assert limits.acquire_call("chat.startStream", 2) is None


def test_posts_are_limited_to_a_burst_and_one_a_second() -> None:
    """Four posts may come at once; then one a second."""
    watch = ManualClock()
    limits = RateLimits(watch)
    assert [limits.acquire_post("C1") for _ in range(6)] == [None] * 4 + [1, 1]
    assert limits.acquire_post("C2") is None
    watch.seconds += 1
    assert [limits.acquire_post("C1") for _ in range(2)] == [None, 1]
    watch.seconds += 1_000
    assert [limits.acquire_post("C1") for _ in range(5)] == [None] * 4 + [1]


@given(st.lists(st.floats(0, 5), max_size=80))
def test_no_minute_holds_more_calls_than_the_tier(gaps: list[float]) -> None:
    """However calls are spaced, no window of a minute accepts more than twenty."""
    watch = ManualClock()
    limits = RateLimits(watch)
    accepted: list[float] = []
    for gap in gaps:
        watch.seconds += gap
        if limits.acquire_call("chat.startStream", 2) is None:
            accepted.append(watch.seconds)
    for start in accepted:
        assert sum(start <= when < start + 60 for when in accepted) <= 20
