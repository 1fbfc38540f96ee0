"""Invariants of logs, resources, API calls and acknowledgements. Pure functions."""

import bisect
import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from typing import Final

from chaos.checker.expectations import Bounds, Invariant, Violation
from chaos.checker.history import ApiCall, History, Resource

RATE_LIMITED_STATUS: Final = 429
POST_METHOD: Final = "chat.postMessage"
"""The one method whose rate Slack limits per channel."""
CLOCK_TOLERANCE_SECONDS: Final = 0.05
"""Error of a caller's clock and timer."""
MIN_SAMPLES: Final = 9
"""Minimum number of samples for a judgement of growth."""


def check_leaks(history: History, _bounds: Bounds) -> Iterator[Violation]:
    """NO_LEAK: no log line or metric shows a secret or a planted word, no finding a secret."""
    words = {mention.token for mention in history.mentions}
    words |= {canary.word for canary in history.canaries}
    logs: defaultdict[str, list[str]] = defaultdict(list)
    for line in history.lines:
        logs[line.process].append(line.text)
    for process, lines in logs.items():
        log = "\n".join(lines)
        for kind, sought_words in (("secrets", history.secrets), ("texts of questions", words)):
            hits = _find_words(log, sought_words)
            if hits:
                first = log.count("\n", 0, min(hits.values())) + 1
                reason = f"{len(hits)} {kind}, the first in line {first}"
                yield Violation(Invariant.NO_LEAK, process, reason)
    for find in history.finds:
        if any(secret in find.word for secret in history.secrets):
            yield Violation(Invariant.NO_LEAK, find.where, "a secret")


def _find_words(log: str, words: Collection[str]) -> dict[str, int]:
    """Return the words that a log contains with their first position, in one pass."""
    size = min(map(len, words), default=1)
    words_by_prefix: defaultdict[str, list[str]] = defaultdict(list)
    for word in words:
        words_by_prefix[word[:size]].append(word)
    found = dict[str, int]()
    for position in range(len(log)):
        for word in words_by_prefix.get(log[position : position + size], ()):
            if log.startswith(word, position):
                found.setdefault(word, position)
    return found


def check_resources(history: History, bounds: Bounds) -> Iterator[Violation]:
    """BOUNDED: no process exceeds a resource's maximum or its growth."""
    series: defaultdict[tuple[str, Resource], list[float]] = defaultdict(list)
    for sample in sorted(history.samples, key=lambda sample: sample.at):
        series[sample.process, sample.resource].append(sample.amount)
    for (process, resource), amounts in series.items():
        maximum = bounds.max_resources.get(resource, math.inf)
        if max(amounts) > maximum:
            reason = f"{resource} {max(amounts):.0f} above {maximum:.0f}"
            yield Violation(Invariant.BOUNDED, process, reason)
        if bounds.max_growth is not None and len(amounts) >= MIN_SAMPLES:
            growth = _relative_growth(amounts)
            if growth > bounds.max_growth:
                reason = f"{resource} grew by {growth:.0%}"
                yield Violation(Invariant.BOUNDED, process, reason)


def _relative_growth(amounts: list[float]) -> float:
    third = len(amounts) // 3
    early, late = statistics.median(amounts[:third]), statistics.median(amounts[-third:])
    return (late - early) / max(early, 1.0)


def check_acknowledgements(history: History, bounds: Bounds) -> Iterator[Violation]:
    """ACKNOWLEDGED: each acknowledgement is in time, and the 99th percentile in its bound."""
    durations = dict[str, list[float]]()
    for mention in history.mentions:
        durations[mention.ts] = [
            delivery.acknowledged_at - delivery.sent_at
            for delivery in mention.deliveries
            if delivery.acknowledged_at is not None
        ]
        longest = max(durations[mention.ts], default=0.0)
        if longest > bounds.max_acknowledgement_seconds:
            yield Violation(Invariant.ACKNOWLEDGED, mention.ts, f"took {longest:.2f} s")
    times = sorted(
        seconds for mention_durations in durations.values() for seconds in mention_durations
    )
    if bounds.max_acknowledgement_p99_seconds is not None and times:
        p99 = times[math.ceil(0.99 * len(times)) - 1]
        if p99 > bounds.max_acknowledgement_p99_seconds:
            yield Violation(Invariant.ACKNOWLEDGED, "all", f"p99 of {p99:.3f} s")


def check_retry_after(history: History, bounds: Bounds) -> Iterator[Violation]:
    """RETRY_AFTER: no call is repeated, and no other of its method made, before its time."""
    calls = sorted(history.calls, key=lambda call: call.at)
    start_times = [call.at for call in calls]
    for limited in calls:
        if limited.status != RATE_LIMITED_STATUS or not limited.retry_after:
            continue
        answered_at = limited.at + limited.seconds
        allowed_at = answered_at + limited.retry_after - CLOCK_TOLERANCE_SECONDS
        calls_between = calls[
            bisect.bisect_left(start_times, answered_at) : bisect.bisect_left(
                start_times, allowed_at
            )
        ]
        early_calls = [
            call
            for call in calls_between
            if _violates_limit(call, limited, answered_at + bounds.limit_news_seconds)
        ]
        if early_calls:
            reason = (
                f"{len(early_calls)} calls of {limited.method}"
                f" before {limited.retry_after:g} s had passed"
            )
            yield Violation(Invariant.RETRY_AFTER, limited.channel or limited.method, reason)


def _violates_limit(call: ApiCall, limited: ApiCall, known_at: float) -> bool:
    if call.method != limited.method:
        return False
    if call.target == limited.target:
        return True
    other_channel = call.method == POST_METHOD and call.channel != limited.channel
    return call.at > known_at and not other_channel


ServiceCheck = Callable[[History, Bounds], Iterator[Violation]]
SERVICE_CHECKS: Final[tuple[ServiceCheck, ...]] = (
    check_leaks,
    check_resources,
    check_acknowledgements,
    check_retry_after,
)
