"""Pure: decides from a history which promises were broken; here those about the replies."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, pairwise
from typing import Final

from chaos.checker import service_invariants
from chaos.checker.attribution import Attribution, Case, attributed
from chaos.checker.expectations import Bounds, Invariant, Violation
from chaos.checker.history import History, Message, Place, State

ORDINARY: Final = Bounds()


def check(history: History, bounds: Bounds = ORDINARY) -> tuple[Violation, ...]:
    """Return every violation, in the order of the invariants; none where all promises held."""
    found = attributed(history)
    told = [*(one(found, history, bounds) for one in ABOUT_REPLIES)]
    counted = [*(one(history, bounds) for one in service_invariants.CHECKS)]
    violations = [violation for some in (*told, *counted) for violation in some]
    return tuple(sorted(violations, key=lambda violation: PLACES[violation.invariant]))


PLACES: Final = {invariant: place for place, invariant in enumerate(Invariant)}


def acknowledged_mention_ends_once(
    found: Attribution, _history: History, _bounds: Bounds
) -> Iterator[Violation]:
    """I1: one reply or one error stands in the end where Slack had our acknowledgement."""
    for case in found.cases:
        if case.wanted and case.mention.acknowledged_at is not None and len(case.ends) != 1:
            why = f"{len(case.ends)} replies or errors in the end"
            yield Violation(Invariant.ONE_END, case.mention.ts, why)


def one_message_is_visible(
    found: Attribution, history: History, bounds: Bounds
) -> Iterator[Violation]:
    """I2: no part of a reply stands twice, in the end or for longer than a moment."""
    for case in found.cases:
        for first, second in _twins(case.messages):
            both = (message.deleted_at for message in (first, second))
            gone = min((time for time in both if time is not None), default=None)
            stood = (history.ended_at if gone is None else gone) - second.versions[0].at
            if gone is None or stood > bounds.double:
                why = f"{first.ts} and {second.ts} stood together for {stood:.1f} s"
                yield Violation(Invariant.ONE_MESSAGE, case.mention.ts, why)


def _twins(messages: Sequence[Message]) -> Iterator[tuple[Message, Message]]:
    parts: defaultdict[str, list[Message]] = defaultdict(list)
    for message in messages:
        parts[message.last.part].append(message)
    for twins in parts.values():
        for first, second in combinations(twins, 2):
            if first.deleted_at is None or first.deleted_at > second.versions[0].at:
                yield first, second


def reply_stands_where_it_was_asked(
    found: Attribution, _history: History, _bounds: Bounds
) -> Iterator[Violation]:
    """I3: right team, channel and thread."""
    for case in found.cases:
        for message in case.messages:
            if message.place != case.mention.place:
                why = f"{message.ts} stands in {_shown(message.place)}"
                yield Violation(Invariant.RIGHT_PLACE, case.mention.ts, why)
    for message in found.strays:
        why = f"answers no mention, in {_shown(message.place)}"
        yield Violation(Invariant.RIGHT_PLACE, message.ts, why)


def _shown(place: Place) -> str:
    return f"{place.team}/{place.channel}/{place.thread}"


def replies_stand_in_the_order_asked(
    found: Attribution, _history: History, bounds: Bounds
) -> Iterator[Violation]:
    """I4: in a thread, an older question's reply stands above a younger one's."""
    threads: defaultdict[Place, list[Case]] = defaultdict(list)
    for case in found.cases:
        if case.mention.acknowledged_at is not None and _answers(case):
            threads[case.mention.place].append(case)
    for cases in threads.values():
        for older, younger in combinations(cases, 2):
            if _in_time(older, younger, bounds) and _lowest(older) > _highest(younger):
                why = f"its reply stands below that to {younger.mention.ts}"
                yield Violation(Invariant.ORDER, older.mention.ts, why)


def _answers(case: Case) -> list[Message]:
    return [head for head in case.ends if head.last.state is not State.NOTICE]


def _in_time(older: Case, younger: Case, bounds: Bounds) -> bool:
    late = (older.mention.acknowledged_at or 0) - (younger.mention.acknowledged_at or 0)
    return late <= bounds.hold


def _lowest(case: Case) -> float:
    return max(float(head.ts) for head in _answers(case))


def _highest(case: Case) -> float:
    return min(float(head.ts) for head in _answers(case))


def nobody_is_pinged(_found: Attribution, history: History, _bounds: Bounds) -> Iterator[Violation]:
    """I5: no version of any message notifies anybody or has an address fetched."""
    for message in history.messages:
        pings = max(version.pings for version in message.versions)
        unfurls = max(version.unfurls for version in message.versions)
        if pings or unfurls:
            why = f"{pings} pings, {unfurls} unfurls"
            yield Violation(Invariant.NO_PING, message.ts, why)


def end_comes_in_time(found: Attribution, _history: History, bounds: Bounds) -> Iterator[Violation]:
    """I7: from the acknowledgement to the reply or the error."""
    for case in found.cases:
        since = case.mention.acknowledged_at
        ended = [head.ended_at for head in case.ends if head.ended_at is not None]
        if since is not None and ended and min(ended) - since > bounds.end:
            why = f"ended after {min(ended) - since:.1f} s"
            yield Violation(Invariant.IN_TIME, case.mention.ts, why)


def mention_is_noticed(
    found: Attribution, _history: History, _bounds: Bounds
) -> Iterator[Violation]:
    """I9: Slack has an acknowledgement for each mention, or it was found and answered anyway."""
    for case in found.cases:
        if case.wanted and case.mention.acknowledged_at is None and not case.ends:
            why = "neither acknowledged nor answered"
            yield Violation(Invariant.ACKNOWLEDGED, case.mention.ts, why)


def final_stays(found: Attribution, _history: History, bounds: Bounds) -> Iterator[Violation]:
    """I10: what was final neither changes nor goes, unless the question does."""
    broken = [
        Violation(Invariant.FINAL, case.mention.ts, why)
        for case in found.cases
        for message in case.messages
        for why in _touched(message, case)
    ]
    if len(broken) > bounds.late_edits:
        yield from broken


def _touched(message: Message, case: Case) -> Iterator[str]:
    ended = message.ended_at
    if ended is None:
        return
    until = math.inf if case.mention.edited_at is None else case.mention.edited_at
    final = [version for version in message.versions if ended <= version.at < until]
    changes = sum(before.look != after.look for before, after in pairwise(final))
    if changes:
        yield f"{message.ts} changed {changes} times after its end"
    gone = message.deleted_at is not None and message.deleted_at < until
    if gone and case.wanted and not case.ends:
        yield f"{message.ts} was deleted after its end"


def words_stay_where_they_belong(
    _found: Attribution, history: History, _bounds: Bounds
) -> Iterator[Violation]:
    """I11: a word planted in one team, channel or thread is shown nowhere else."""
    planted = {canary.word: canary for canary in history.canaries}
    for message in history.messages:
        shown = frozenset[str]().union(*(version.words for version in message.versions))
        foreign = [
            word for word in shown & planted.keys() if not planted[word].belongs(message.place)
        ]
        if foreign:
            why = f"{len(foreign)} foreign words in {_shown(message.place)}"
            yield Violation(Invariant.OWN_TENANT, message.ts, why)


def deleted_question_leaves_nothing(
    found: Attribution, history: History, bounds: Bounds
) -> Iterator[Violation]:
    """I12: soon after its deletion a question has no reply, unless that was there before."""
    deadlines = dict[str, float]()
    for case in found.cases:
        deleted = case.mention.deleted_at
        if deleted is None:
            continue
        deadlines[case.mention.token] = deadline = deleted + bounds.deletion
        for message in case.messages:
            early = message.ended_at is not None and message.ended_at <= deleted + bounds.news
            if not early and (message.deleted_at or history.ended_at) > deadline:
                why = f"{message.ts} stood {bounds.deletion:.0f} s after the deletion"
                yield Violation(Invariant.DELETED, case.mention.ts, why)
    for find in history.finds:
        if find.at > deadlines.get(find.word, find.at):
            yield Violation(Invariant.DELETED, find.where, "text of a deleted question")


Check = Callable[[Attribution, History, Bounds], Iterator[Violation]]
ABOUT_REPLIES: Final[tuple[Check, ...]] = (
    acknowledged_mention_ends_once,
    one_message_is_visible,
    reply_stands_where_it_was_asked,
    replies_stand_in_the_order_asked,
    nobody_is_pinged,
    end_comes_in_time,
    mention_is_noticed,
    final_stays,
    words_stay_where_they_belong,
    deleted_question_leaves_nothing,
)
