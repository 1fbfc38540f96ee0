"""Pure: which promises about logs, resources, calls and acknowledgements were broken."""

import bisect
import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from typing import Final

from chaos.checker.expectations import Bounds, Invariant, Violation
from chaos.checker.history import Call, History, Resource

LIMITED: Final = 429
POST: Final = "chat.postMessage"
"""The one method that Slack limits by channel."""
ROUNDING: Final = 0.05
"""Seconds by which a caller's clock and timer may be off."""
FEWEST: Final = 9
"""Samples of a process before its growth says anything."""


def nothing_leaks(history: History, _bounds: Bounds) -> Iterator[Violation]:
    """I6: no log line and no metric shows a secret or a planted word, and no find a secret."""
    words = {mention.token for mention in history.mentions}
    words |= {canary.word for canary in history.canaries}
    logs: defaultdict[str, list[str]] = defaultdict(list)
    for line in history.lines:
        logs[line.process].append(line.text)
    for process, lines in logs.items():
        log = "\n".join(lines)
        for what, sought in (("secrets", history.secrets), ("texts of questions", words)):
            hits = _shown(log, sought)
            if hits:
                first = log.count("\n", 0, min(hits.values())) + 1
                why = f"{len(hits)} {what}, the first in line {first}"
                yield Violation(Invariant.NO_LEAK, process, why)
    for find in history.finds:
        if any(secret in find.word for secret in history.secrets):
            yield Violation(Invariant.NO_LEAK, find.where, "a secret")


def _shown(log: str, words: Collection[str]) -> dict[str, int]:
    """Return which words stand in a log, and where first; one pass, however many words."""
    size = min(map(len, words), default=1)
    begun: defaultdict[str, list[str]] = defaultdict(list)
    for word in words:
        begun[word[:size]].append(word)
    found = dict[str, int]()
    for at in range(len(log)):
        for word in begun.get(log[at : at + size], ()):
            if log.startswith(word, at):
                found.setdefault(word, at)
    return found


def resources_stay_bounded(history: History, bounds: Bounds) -> Iterator[Violation]:
    """I8: no process uses too much of anything, nor more and more."""
    series: defaultdict[tuple[str, Resource], list[float]] = defaultdict(list)
    for sample in sorted(history.samples, key=lambda sample: sample.at):
        series[sample.process, sample.resource].append(sample.amount)
    for (process, resource), amounts in series.items():
        most = bounds.most.get(resource, math.inf)
        if max(amounts) > most:
            why = f"{resource} {max(amounts):.0f} above {most:.0f}"
            yield Violation(Invariant.BOUNDED, process, why)
        if bounds.growth is not None and len(amounts) >= FEWEST:
            growth = _growth(amounts)
            if growth > bounds.growth:
                why = f"{resource} grew by {growth:.0%}"
                yield Violation(Invariant.BOUNDED, process, why)


def _growth(amounts: list[float]) -> float:
    third = len(amounts) // 3
    early, late = statistics.median(amounts[:third]), statistics.median(amounts[-third:])
    return (late - early) / max(early, 1.0)


def acknowledgements_come_in_time(history: History, bounds: Bounds) -> Iterator[Violation]:
    """I9: no acknowledgement takes too long, and where nothing hinders the bot hardly any long."""
    took = dict[str, list[float]]()
    for mention in history.mentions:
        took[mention.ts] = [
            delivery.acknowledged_at - delivery.sent_at
            for delivery in mention.deliveries
            if delivery.acknowledged_at is not None
        ]
        longest = max(took[mention.ts], default=0.0)
        if longest > bounds.acknowledgement:
            yield Violation(Invariant.ACKNOWLEDGED, mention.ts, f"took {longest:.2f} s")
    times = sorted(seconds for some in took.values() for seconds in some)
    if bounds.acknowledgement_p99 is not None and times:
        p99 = times[math.ceil(0.99 * len(times)) - 1]
        if p99 > bounds.acknowledgement_p99:
            yield Violation(Invariant.ACKNOWLEDGED, "all", f"p99 of {p99:.3f} s")


def retry_after_is_kept(history: History, bounds: Bounds) -> Iterator[Violation]:
    """S1: nobody repeats a call, or makes another of its kind, before Slack's time is over."""
    calls = sorted(history.calls, key=lambda call: call.at)
    begun = [call.at for call in calls]
    for limited in calls:
        if limited.status != LIMITED or not limited.retry_after:
            continue
        told = limited.at + limited.seconds
        over = told + limited.retry_after - ROUNDING
        span = calls[bisect.bisect_left(begun, told) : bisect.bisect_left(begun, over)]
        early = [call for call in span if _barred(call, limited, told + bounds.hearing)]
        if early:
            why = (
                f"{len(early)} calls of {limited.method} before {limited.retry_after:g} s were over"
            )
            yield Violation(Invariant.RETRY_AFTER, limited.channel or limited.method, why)


def _barred(call: Call, limited: Call, heard: float) -> bool:
    if call.method != limited.method:
        return False
    if call.target == limited.target:
        return True
    elsewhere = call.method == POST and call.channel != limited.channel
    return call.at > heard and not elsewhere


Check = Callable[[History, Bounds], Iterator[Violation]]
CHECKS: Final[tuple[Check, ...]] = (
    nothing_leaks,
    resources_stay_bounded,
    acknowledgements_come_in_time,
    retry_after_is_kept,
)
