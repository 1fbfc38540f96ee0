"""Promises about logs, resources, acknowledgements and limits: what keeps and what breaks them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.checker.expectations import Bounds, Invariant, Violation
from chaos.checker.history import (
    Call,
    Canary,
    Delivery,
    Find,
    History,
    LogLine,
    Mention,
    Place,
    Resource,
    Sample,
)
from chaos.checker.service_invariants import CHECKS

ASKED = Mention("10.0", Place("T1", "C1", "10.0"), "q1-abcdef", 10.0)
SECRET = "xoxb-" + "1234"


def violations(history: History, bounds: Bounds | None = None) -> list[Violation]:
    """Return what is broken."""
    return [found for one in CHECKS for found in one(history, bounds or Bounds())]


def broken(history: History, bounds: Bounds | None = None) -> list[tuple[Invariant, str]]:
    """Return what is broken, and about what."""
    return [(found.invariant, found.about) for found in violations(history, bounds)]


# -- I6: nothing leaks


@pytest.mark.parametrize(
    ("text", "leaks"),
    [
        ('{"event": "turn", "job": "T1-C1-10", "length": 12}', False),
        ('{"event": "turn", "text": "echo q1-abcdef"}', True),
        (r'{"text": "line\nq1-abcdef"}', True),
        ('{"event": "token xoxb-1234"}', True),
        ('{"event": "magpie"}', True),
        ('{"event": "q1-abcdee xoxb-123"}', False),
    ],
)
def test_a_line_with_a_planted_word_or_a_secret_leaks(text: str, *, leaks: bool) -> None:
    """Also where the word is glued to another; ids and lengths are no text."""
    history = History(
        mentions=(ASKED,),
        lines=(LogLine("bot", "started"), LogLine("worker", "x"), LogLine("worker", text)),
        canaries=(Canary("magpie", "T1"),),
        secrets=(SECRET,),
    )
    assert broken(history) == ([(Invariant.NO_LEAK, "worker")] if leaks else [])


def test_a_leak_is_named_by_process_and_line_and_not_shown_again() -> None:
    """The summary of a run is a log too."""
    other = replace(ASKED, ts="11.0", token="q2-abcdef")
    texts = ("q2-abcdef", "x", ASKED.token, SECRET)
    lines = tuple(LogLine("worker", text) for text in texts)
    found = violations(History(mentions=(ASKED, other), lines=lines, secrets=(SECRET,)))
    assert [leak.why for leak in found] == [
        "1 secrets, the first in line 4",
        "2 texts of questions, the first in line 1",
    ]


def test_a_secret_in_redis_leaks() -> None:
    """A question's text may be there while it is needed."""
    finds = (Find(1.0, f"token={SECRET}", "a key"), Find(1.0, ASKED.token, "another"))
    history = History(mentions=(ASKED,), finds=finds, secrets=(SECRET,))
    assert broken(history) == [(Invariant.NO_LEAK, "a key")]


# -- I8: resources


def series(*amounts: float, process: str = "bot") -> tuple[Sample, ...]:
    """Return samples of a process's memory, one a second."""
    return tuple(
        Sample(float(at), process, Resource.MEMORY, amount) for at, amount in enumerate(amounts)
    )


def test_too_much_at_any_moment_is_too_much() -> None:
    """By process and resource; what has no bound may grow."""
    samples = (*series(1.0, 3.0, 1.0), *series(2.0, process="worker"))
    most = Bounds(most={Resource.MEMORY: 2.0})
    assert broken(History(samples=samples), most) == [(Invariant.BOUNDED, "bot")]
    assert broken(History(samples=samples), Bounds(most={Resource.KEYS: 1.0})) == []


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
def test_steady_growth_is_named(amounts: tuple[float, ...], *, grows: bool) -> None:
    """Only where a run asks for it, and never because of one peak."""
    wanted = [(Invariant.BOUNDED, "bot")] if grows else []
    samples = tuple(reversed(series(*amounts)))
    assert broken(History(samples=samples), Bounds(growth=0.1)) == wanted
    assert broken(History(samples=samples)) == []


# -- I9: acknowledgements


@given(st.lists(st.floats(0.0, 2.9), max_size=20))
def test_quick_acknowledgements_are_fine(seconds: list[float]) -> None:
    """And so is a delivery that was made again."""
    deliveries = tuple(Delivery("message", 5.0, 5.0 + took) for took in seconds)
    asked = replace(ASKED, deliveries=(*deliveries, Delivery("message", 5.0)))
    assert broken(History(mentions=(asked,))) == []


def test_a_late_acknowledgement_is_named() -> None:
    """Slack waits for three seconds."""
    deliveries = Delivery("message", 5.0, 8.5), Delivery("app_mention", 5.0, 5.1)
    late = replace(ASKED, deliveries=deliveries)
    assert broken(History(mentions=(late,))) == [(Invariant.ACKNOWLEDGED, "10.0")]


@pytest.mark.parametrize(("slow", "named"), [(1, False), (2, True)])
def test_one_in_a_hundred_may_be_slow(slow: int, *, named: bool) -> None:
    """Where a run says how quick the others have to be."""
    took = (1.0,) * slow + (0.1,) * (100 - slow)
    deliveries = tuple(Delivery("message", 5.0, 5.0 + seconds) for seconds in took)
    history = History(mentions=(replace(ASKED, deliveries=deliveries),))
    wanted = [(Invariant.ACKNOWLEDGED, "all")] if named else []
    assert broken(history, Bounds(acknowledgement_p99=0.25)) == wanted
    assert broken(history) == []


# -- S1: Retry-After

LIMITED = Call(10.0, "chat.update", "C1", "C1 1.0", 0.5, 429, retry_after=2.0)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (Call(10.6, "chat.update", "C1", "C1 1.0"), True),
        (Call(12.4, "chat.update", "C1", "C1 1.0"), True),
        (Call(12.5, "chat.update", "C1", "C1 1.0"), False),
        (Call(10.4, "chat.update", "C1", "C1 1.0"), False),
        (Call(10.9, "chat.update", "C1", "C1 2.0"), False),
        (Call(11.1, "chat.update", "C1", "C1 2.0"), True),
        (Call(11.1, "chat.update", "C2", "C2 2.0"), True),
        (Call(11.1, "chat.delete", "C1", "C1 1.0"), False),
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
def test_who_is_told_to_wait_waits(call: Call, *, named: bool) -> None:
    """For the same message at once; for the method as soon as all may know."""
    wanted = [(Invariant.RETRY_AFTER, "C1")] if named else []
    assert broken(History(calls=(call, LIMITED))) == wanted


def test_posts_are_limited_by_channel() -> None:
    """Another channel has room of its own."""
    limited = replace(LIMITED, method="chat.postMessage")
    for channel, wanted in (("C1", [(Invariant.RETRY_AFTER, "C1")]), ("C2", [])):
        post = Call(11.5, "chat.postMessage", channel, f"{channel} 5.0")
        assert broken(History(calls=(limited, post))) == wanted


@pytest.mark.parametrize("change", [{"retry_after": None}, {"retry_after": 0.0}, {"status": 200}])
def test_without_a_time_there_is_nothing_to_keep(change: dict[str, float | None]) -> None:
    """Slack may answer 429 and say nothing more."""
    again = Call(10.6, "chat.update", "C1", "C1 1.0")
    assert broken(History(calls=(replace(LIMITED, **change), again))) == []  # type: ignore[arg-type]
