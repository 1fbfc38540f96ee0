"""Invariants of logs, resources, acknowledgements and rate limits."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.checker.expectations import Bounds, Invariant, Violation
from chaos.checker.history import (
    ApiCall,
    Canary,
    Delivery,
    History,
    LeakFinding,
    LogLine,
    Mention,
    Place,
    Resource,
    ResourceSample,
)
from chaos.checker.service_invariants import SERVICE_CHECKS

QUESTION = Mention("10.0", Place("T1", "C1", "10.0"), "q1-abcdef", 10.0)
SECRET = "xoxb-" + "1234"


def find_violations(history: History, bounds: Bounds | None = None) -> list[Violation]:
    """Return the violations of a history."""
    return [
        found for run_check in SERVICE_CHECKS for found in run_check(history, bounds or Bounds())
    ]


def broken_promises(history: History, bounds: Bounds | None = None) -> list[tuple[Invariant, str]]:
    """Return the violated invariants with their subjects."""
    return [(found.invariant, found.subject) for found in find_violations(history, bounds)]


# -- no leak


@pytest.mark.parametrize(
    ("text", "leaks"),
    [
        ('{"event": "question received", "job": "T1-C1-10", "length": 12}', False),
        ('{"event": "question received", "text": "echo q1-abcdef"}', True),
        (r'{"text": "line\nq1-abcdef"}', True),
        ('{"event": "token xoxb-1234"}', True),
        ('{"event": "magpie"}', True),
        ('{"event": "q1-abcdee xoxb-123"}', False),
    ],
)
def test_log_line_with_canary_or_secret_is_a_leak(text: str, *, leaks: bool) -> None:
    """A canary leaks even inside a longer word; ids and lengths are no text."""
    history = History(
        mentions=(QUESTION,),
        lines=(LogLine("bot", "started"), LogLine("worker", "x"), LogLine("worker", text)),
        canaries=(Canary("magpie", "T1"),),
        secrets=(SECRET,),
    )
    assert broken_promises(history) == ([(Invariant.NO_LEAK, "worker")] if leaks else [])


def test_leak_is_reported_by_process_and_line_without_its_text() -> None:
    """The report of a run is a log too."""
    other = replace(QUESTION, ts="11.0", token="q2-abcdef")
    texts = ("q2-abcdef", "x", QUESTION.token, SECRET)
    lines = tuple(LogLine("worker", text) for text in texts)
    found = find_violations(History(mentions=(QUESTION, other), lines=lines, secrets=(SECRET,)))
    assert [leak.reason for leak in found] == [
        "1 secrets, the first in line 4",
        "2 texts of questions, the first in line 1",
    ]


def test_secret_in_redis_is_a_leak() -> None:
    """A question's text may be in Redis while it is needed."""
    finds = (
        LeakFinding(1.0, f"token={SECRET}", "a key"),
        LeakFinding(1.0, QUESTION.token, "another"),
    )
    history = History(mentions=(QUESTION,), finds=finds, secrets=(SECRET,))
    assert broken_promises(history) == [(Invariant.NO_LEAK, "a key")]


# -- resources


def memory_samples(*amounts: float, process: str = "bot") -> tuple[ResourceSample, ...]:
    """Return one memory sample a second of a process."""
    return tuple(
        ResourceSample(float(at), process, Resource.MEMORY, amount)
        for at, amount in enumerate(amounts)
    )


def test_resource_above_its_bound_at_any_moment_is_reported() -> None:
    """Bounds apply per process and resource; resources without one may grow."""
    samples = (*memory_samples(1.0, 3.0, 1.0), *memory_samples(2.0, process="worker"))
    most = Bounds(max_resources={Resource.MEMORY: 2.0})
    assert broken_promises(History(samples=samples), most) == [(Invariant.BOUNDED, "bot")]
    assert (
        broken_promises(History(samples=samples), Bounds(max_resources={Resource.KEYS: 1.0})) == []
    )


@pytest.mark.parametrize(
    ("amounts", "grows"),
    [
        ((100.0,) * 9, False),
        ((100.0, 100.0, 100.0, 104.0, 106.0, 108.0, 109.0, 109.0, 109.0), False),
        ((100.0, 100.0, 100.0, 104.0, 108.0, 110.0, 112.0, 114.0, 116.0), True),
        ((100.0,) * 8 + (500.0,), False),
        ((100.0, 200.0, 300.0), False),
    ],
    ids=["flat", "little", "steady", "one peak", "too few"],
)
def test_steady_growth_is_reported_and_a_peak_is_not(
    amounts: tuple[float, ...], *, grows: bool
) -> None:
    """Growth counts only with a bound for it."""
    wanted = [(Invariant.BOUNDED, "bot")] if grows else []
    samples = tuple(reversed(memory_samples(*amounts)))
    assert broken_promises(History(samples=samples), Bounds(max_growth=0.1)) == wanted
    assert broken_promises(History(samples=samples)) == []


# -- acknowledgements


@given(st.lists(st.floats(0.0, 2.9), max_size=20))
def test_acknowledgements_below_three_seconds_pass(seconds: list[float]) -> None:
    """A redelivered event without acknowledgement passes too."""
    deliveries = tuple(Delivery("message", 5.0, 5.0 + took) for took in seconds)
    asked = replace(QUESTION, deliveries=(*deliveries, Delivery("message", 5.0)))
    assert broken_promises(History(mentions=(asked,))) == []


def test_acknowledgement_after_three_seconds_is_reported() -> None:
    """Slack waits three seconds."""
    deliveries = Delivery("message", 5.0, 8.5), Delivery("app_mention", 5.0, 5.1)
    late = replace(QUESTION, deliveries=deliveries)
    assert broken_promises(History(mentions=(late,))) == [(Invariant.ACKNOWLEDGED, "10.0")]


@pytest.mark.parametrize(("slow", "named"), [(1, False), (2, True)])
def test_p99_bound_allows_one_slow_acknowledgement_in_a_hundred(slow: int, *, named: bool) -> None:
    """The bound applies to the 99th percentile."""
    took = (1.0,) * slow + (0.1,) * (100 - slow)
    deliveries = tuple(Delivery("message", 5.0, 5.0 + seconds) for seconds in took)
    history = History(mentions=(replace(QUESTION, deliveries=deliveries),))
    wanted = [(Invariant.ACKNOWLEDGED, "all")] if named else []
    assert broken_promises(history, Bounds(max_acknowledgement_p99_seconds=0.25)) == wanted
    assert broken_promises(history) == []


# -- Retry-After

RATE_LIMITED_CALL = ApiCall(10.0, "chat.update", "C1", "C1 1.0", 0.5, 429, retry_after=2.0)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (ApiCall(10.6, "chat.update", "C1", "C1 1.0"), True),
        (ApiCall(12.4, "chat.update", "C1", "C1 1.0"), True),
        (ApiCall(12.5, "chat.update", "C1", "C1 1.0"), False),
        (ApiCall(10.4, "chat.update", "C1", "C1 1.0"), False),
        (ApiCall(10.9, "chat.update", "C1", "C1 2.0"), False),
        (ApiCall(11.1, "chat.update", "C1", "C1 2.0"), True),
        (ApiCall(11.1, "chat.update", "C2", "C2 2.0"), True),
        (ApiCall(11.1, "chat.delete", "C1", "C1 1.0"), False),
    ],
    ids=[
        "at once",
        "too soon",
        "in time",
        "under way",
        "not heard yet",
        "heard",
        "other channel",
        "other method",
    ],
)
def test_call_before_retry_after_is_reported(call: ApiCall, *, named: bool) -> None:
    """The same target is limited at once, the method as soon as all processes know."""
    wanted = [(Invariant.RETRY_AFTER, "C1")] if named else []
    assert broken_promises(History(calls=(call, RATE_LIMITED_CALL))) == wanted


def test_posts_are_rate_limited_per_channel() -> None:
    """A post in another channel is allowed."""
    limited = replace(RATE_LIMITED_CALL, method="chat.postMessage")
    for channel, wanted in (("C1", [(Invariant.RETRY_AFTER, "C1")]), ("C2", [])):
        post = ApiCall(11.5, "chat.postMessage", channel, f"{channel} 5.0")
        assert broken_promises(History(calls=(limited, post))) == wanted


@pytest.mark.parametrize("change", [{"retry_after": None}, {"retry_after": 0.0}, {"status": 200}])
def test_rate_limit_without_retry_after_is_ignored(change: dict[str, float | None]) -> None:
    """Slack may respond 429 without the header."""
    again = ApiCall(10.6, "chat.update", "C1", "C1 1.0")
    assert broken_promises(History(calls=(replace(RATE_LIMITED_CALL, **change), again))) == []  # type: ignore[arg-type]
