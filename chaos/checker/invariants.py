"""Invariants of replies, and the check of a history against all invariants. Pure functions."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, pairwise
from typing import Final

from chaos.checker import service_invariants
from chaos.checker.attribution import Attribution, Case, attribute_messages
from chaos.checker.expectations import Bounds, Invariant, Violation
from chaos.checker.history import History, Message, Place, State

DEFAULT_BOUNDS: Final = Bounds()


def check_history(history: History, bounds: Bounds = DEFAULT_BOUNDS) -> tuple[Violation, ...]:
    """Return every violation in the order of the invariants."""
    attribution = attribute_messages(history)
    reply_violations = [*(run_check(attribution, history, bounds) for run_check in REPLY_CHECKS)]
    service_violations = [
        *(run_check(history, bounds) for run_check in service_invariants.SERVICE_CHECKS)
    ]
    violations = [
        violation for group in (*reply_violations, *service_violations) for violation in group
    ]
    return tuple(sorted(violations, key=lambda violation: INVARIANT_ORDER[violation.invariant]))


INVARIANT_ORDER: Final = {invariant: index for index, invariant in enumerate(Invariant)}


def check_one_end(
    attribution: Attribution, _history: History, _bounds: Bounds
) -> Iterator[Violation]:
    """ONE_END: an acknowledged mention ends with one reply, error or notice."""
    for case in attribution.cases:
        if (
            case.expects_reply
            and case.mention.acknowledged_at is not None
            and len(case.final_parts) != 1
        ):
            reason = f"{len(case.final_parts)} replies or errors at the end"
            yield Violation(Invariant.ONE_END, case.mention.ts, reason)


def check_one_message(
    attribution: Attribution, history: History, bounds: Bounds
) -> Iterator[Violation]:
    """ONE_MESSAGE: no part of a reply is visible twice at the end, or longer than the bound."""
    for case in attribution.cases:
        for first, second in _overlapping_pairs(case.messages):
            deletion_times = (message.deleted_at for message in (first, second))
            gone_at = min((time for time in deletion_times if time is not None), default=None)
            overlap = (history.ended_at if gone_at is None else gone_at) - second.versions[0].at
            if gone_at is None or overlap > bounds.max_overlap_seconds:
                reason = f"{first.ts} and {second.ts} were visible together for {overlap:.1f} s"
                yield Violation(Invariant.ONE_MESSAGE, case.mention.ts, reason)


def _overlapping_pairs(messages: Sequence[Message]) -> Iterator[tuple[Message, Message]]:
    parts: defaultdict[str, list[Message]] = defaultdict(list)
    for message in messages:
        parts[message.last_version.part].append(message)
    for twins in parts.values():
        for first, second in combinations(twins, 2):
            if first.deleted_at is None or first.deleted_at > second.versions[0].at:
                yield first, second


def check_place(
    attribution: Attribution, _history: History, _bounds: Bounds
) -> Iterator[Violation]:
    """RIGHT_PLACE: team, channel and thread are those of the mention."""
    for case in attribution.cases:
        for message in case.messages:
            if message.place != case.mention.place:
                reason = f"{message.ts} is in {_format_place(message.place)}"
                yield Violation(Invariant.RIGHT_PLACE, case.mention.ts, reason)
    for message in attribution.strays:
        reason = f"answers no mention, in {_format_place(message.place)}"
        yield Violation(Invariant.RIGHT_PLACE, message.ts, reason)


def _format_place(place: Place) -> str:
    return f"{place.team}/{place.channel}/{place.thread}"


def check_order(attribution: Attribution, _history: History, bounds: Bounds) -> Iterator[Violation]:
    """ORDER: in a thread, an older question's reply is above a younger one's."""
    threads: defaultdict[Place, list[Case]] = defaultdict(list)
    for case in attribution.cases:
        if case.mention.acknowledged_at is not None and _answer_parts(case):
            threads[case.mention.place].append(case)
    for cases in threads.values():
        for older, younger in combinations(cases, 2):
            if _must_keep_order(older, younger, bounds) and _lowest_position(
                older
            ) > _highest_position(younger):
                reason = f"its reply is below that to {younger.mention.ts}"
                yield Violation(Invariant.ORDER, older.mention.ts, reason)


def _answer_parts(case: Case) -> list[Message]:
    return [part for part in case.final_parts if part.last_version.state is not State.NOTICE]


def _must_keep_order(older: Case, younger: Case, bounds: Bounds) -> bool:
    lag = (older.mention.acknowledged_at or 0) - (younger.mention.acknowledged_at or 0)
    return lag <= bounds.order_tolerance_seconds


def _lowest_position(case: Case) -> float:
    return max(float(part.ts) for part in _answer_parts(case))


def _highest_position(case: Case) -> float:
    return min(float(part.ts) for part in _answer_parts(case))


def check_pings(
    _attribution: Attribution, history: History, _bounds: Bounds
) -> Iterator[Violation]:
    """NO_PING: no version of a message notifies a user or unfurls an address."""
    for message in history.messages:
        pings = max(version.pings for version in message.versions)
        unfurls = max(version.unfurls for version in message.versions)
        if pings or unfurls:
            reason = f"{pings} pings, {unfurls} unfurls"
            yield Violation(Invariant.NO_PING, message.ts, reason)


def check_end_time(
    attribution: Attribution, _history: History, bounds: Bounds
) -> Iterator[Violation]:
    """IN_TIME: a mention ends within the bound after its acknowledgement."""
    for case in attribution.cases:
        since = case.mention.acknowledged_at
        ended = [part.ended_at for part in case.final_parts if part.ended_at is not None]
        if since is not None and ended and min(ended) - since > bounds.max_end_seconds:
            reason = f"ended after {min(ended) - since:.1f} s"
            yield Violation(Invariant.IN_TIME, case.mention.ts, reason)


def check_unnoticed_mentions(
    attribution: Attribution, _history: History, _bounds: Bounds
) -> Iterator[Violation]:
    """ACKNOWLEDGED: a mention is acknowledged, or found by backfill and answered."""
    for case in attribution.cases:
        if case.expects_reply and case.mention.acknowledged_at is None and not case.final_parts:
            reason = "neither acknowledged nor answered"
            yield Violation(Invariant.ACKNOWLEDGED, case.mention.ts, reason)


def check_final_edits(
    attribution: Attribution, _history: History, bounds: Bounds
) -> Iterator[Violation]:
    """FINAL: a final message neither changes nor disappears, unless its question does."""
    violations = [
        Violation(Invariant.FINAL, case.mention.ts, reason)
        for case in attribution.cases
        for message in case.messages
        for reason in _late_changes(message, case)
    ]
    if len(violations) > bounds.max_late_edits:
        yield from violations


def _late_changes(message: Message, case: Case) -> Iterator[str]:
    ended = message.ended_at
    if ended is None:
        return
    frozen_until = math.inf if case.mention.edited_at is None else case.mention.edited_at
    final = [version for version in message.versions if ended <= version.at < frozen_until]
    changes = sum(before.look != after.look for before, after in pairwise(final))
    if changes:
        yield f"{message.ts} changed {changes} times after its end"
    is_deleted = message.deleted_at is not None and message.deleted_at < frozen_until
    if is_deleted and case.expects_reply and not case.final_parts:
        yield f"{message.ts} was deleted after its end"


def check_tenant_isolation(
    _attribution: Attribution, history: History, _bounds: Bounds
) -> Iterator[Violation]:
    """OWN_TENANT: a word planted in one team, channel or thread is shown nowhere else."""
    planted = {canary.word: canary for canary in history.canaries}
    for message in history.messages:
        shown = frozenset[str]().union(*(version.words for version in message.versions))
        foreign = [
            word for word in shown & planted.keys() if not planted[word].belongs_to(message.place)
        ]
        if foreign:
            reason = f"{len(foreign)} foreign words in {_format_place(message.place)}"
            yield Violation(Invariant.OWN_TENANT, message.ts, reason)


def check_deletion(
    attribution: Attribution, history: History, bounds: Bounds
) -> Iterator[Violation]:
    """DELETED: a deleted question soon has no reply, unless that had ended before."""
    deadlines = dict[str, float]()
    for case in attribution.cases:
        deleted = case.mention.deleted_at
        if deleted is None:
            continue
        deadlines[case.mention.token] = deadline = deleted + bounds.max_deletion_seconds
        for message in case.messages:
            ended_before = (
                message.ended_at is not None
                and message.ended_at <= deleted + bounds.deletion_news_seconds
            )
            if not ended_before and (message.deleted_at or history.ended_at) > deadline:
                reason = (
                    f"{message.ts} visible {bounds.max_deletion_seconds:.0f} s after the deletion"
                )
                yield Violation(Invariant.DELETED, case.mention.ts, reason)
    for find in history.finds:
        if find.at > deadlines.get(find.word, find.at):
            yield Violation(Invariant.DELETED, find.where, "text of a deleted question")


ReplyCheck = Callable[[Attribution, History, Bounds], Iterator[Violation]]
REPLY_CHECKS: Final[tuple[ReplyCheck, ...]] = (
    check_one_end,
    check_one_message,
    check_place,
    check_order,
    check_pings,
    check_end_time,
    check_unnoticed_mentions,
    check_final_edits,
    check_tenant_isolation,
    check_deletion,
)
