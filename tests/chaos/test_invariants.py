"""Invariants of replies: histories that keep them, and minimal changes that violate them."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.checker.expectations import Bounds, Invariant
from chaos.checker.history import Delivery, History, Mention, Message, Place, State, Version
from chaos.checker.invariants import check_history
from tests.chaos.synthetic_histories import (
    FIRST_MENTION,
    FIRST_REPLY,
    OTHER_PLACE,
    SECOND_MENTION,
    change_after_end,
    clean_histories,
    find_violations,
    make_history,
    make_reply,
    timestamp_at,
)


@given(clean_histories())
def test_clean_history_has_no_violation(history: History) -> None:
    """The order of the records does not matter."""
    assert check_history(history) == ()


Damage = Callable[[Mention, Message], tuple[Message, ...]]


def _post_twice(_to: Mention, reply: Message) -> tuple[Message, ...]:
    return reply, replace(reply, ts=f"{reply.ts}1")


def _move_elsewhere(_to: Mention, reply: Message) -> tuple[Message, ...]:
    return (replace(reply, place=OTHER_PLACE),)


def _add_ping(_to: Mention, reply: Message) -> tuple[Message, ...]:
    first, *others = reply.versions
    return (replace(reply, versions=(replace(first, pings=1), *others)),)


@pytest.mark.parametrize(
    ("damage", "broken"),
    [
        (lambda _to, _reply: (), {Invariant.ONE_END}),
        (_post_twice, {Invariant.ONE_END, Invariant.ONE_MESSAGE}),
        (_move_elsewhere, {Invariant.RIGHT_PLACE}),
        (lambda _to, reply: (change_after_end(reply),), {Invariant.FINAL}),
        (_add_ping, {Invariant.NO_PING}),
    ],
    ids=["lost", "doubled", "moved", "changed", "pinging"],
)
@settings(max_examples=40)
@given(history=clean_histories().filter(lambda history: history.mentions), data=st.data())
def test_single_damage_breaks_only_its_own_promise(
    damage: Damage, broken: set[Invariant], history: History, data: st.DataObject
) -> None:
    """Damage to any reply violates its own invariants once."""
    to = data.draw(st.sampled_from(history.mentions))
    reply = next(m for m in history.messages if float(m.ts) == float(to.ts) + 1)
    left = tuple(message for message in history.messages if message is not reply)
    violations = check_history(replace(history, messages=(*left, *damage(to, reply))))
    assert sorted(violation.invariant for violation in violations) == sorted(broken)


# -- one end


def test_placeholder_is_not_an_end() -> None:
    """A mention whose reply never became final is unanswered."""
    stuck = replace(FIRST_REPLY, versions=FIRST_REPLY.versions[:2])
    assert find_violations(make_history(FIRST_MENTION, messages=(stuck,))) == {
        (Invariant.ONE_END, FIRST_MENTION.ts)
    }


@pytest.mark.parametrize("state", [State.FINAL, State.ERROR, State.NOTICE])
def test_error_and_notice_are_ends(state: State) -> None:
    """They need no placeholder first."""
    said = Message(
        FIRST_REPLY.ts, FIRST_MENTION.place, (Version(11.0, state, question=FIRST_MENTION.ts),)
    )
    assert find_violations(make_history(FIRST_MENTION, messages=(said,))) == set()


def test_no_end_is_required_unless_both_events_were_acknowledged() -> None:
    """Slack redelivers the unacknowledged event."""
    half = replace(
        FIRST_MENTION, deliveries=(FIRST_MENTION.deliveries[0], Delivery("message", 10.0))
    )
    assert half.acknowledged_at is None
    assert find_violations(make_history(half, messages=())) == {
        (Invariant.ACKNOWLEDGED, FIRST_MENTION.ts)
    }
    again = replace(half, deliveries=(*half.deliveries, Delivery("message", 70.0, 70.5, 1)))
    assert again.acknowledged_at == 70.5
    assert find_violations(make_history(again, messages=())) == {
        (Invariant.ONE_END, FIRST_MENTION.ts)
    }


# -- one message


def test_further_parts_belong_to_the_same_reply() -> None:
    """Parts are no duplicates; the same part twice is one."""
    part = Message(
        timestamp_at(12.0), FIRST_MENTION.place, (Version(12.0, State.FINAL, "two", part="2"),)
    )
    assert find_violations(make_history(FIRST_MENTION, messages=(FIRST_REPLY, part))) == set()
    twice = replace(part, ts=timestamp_at(12.5))
    assert find_violations(make_history(FIRST_MENTION, messages=(FIRST_REPLY, part, twice))) == {
        (Invariant.ONE_MESSAGE, FIRST_MENTION.ts)
    }


@pytest.mark.parametrize(("seconds", "broken"), [(0.5, False), (1.5, True)])
def test_second_placeholder_may_stand_for_one_second(seconds: float, *, broken: bool) -> None:
    """A late writer deletes its own placeholder within a second."""
    late = replace(FIRST_REPLY, ts=timestamp_at(12.0), versions=(Version(12.0, State.PLACEHOLDER),))
    gone = replace(late, deleted_at=12.0 + seconds)
    wanted = {(Invariant.ONE_MESSAGE, FIRST_MENTION.ts)} if broken else set()
    assert find_violations(make_history(FIRST_MENTION, messages=(FIRST_REPLY, gone))) == wanted
    assert find_violations(make_history(FIRST_MENTION, messages=(FIRST_REPLY, late))) == {
        (Invariant.ONE_MESSAGE, FIRST_MENTION.ts)
    }


def test_placeholder_deleted_before_the_next_does_not_overlap() -> None:
    """The next placeholder is posted after the deletion."""
    gone = Message(
        timestamp_at(10.5),
        FIRST_MENTION.place,
        (Version(10.5, State.PLACEHOLDER),),
        deleted_at=10.9,
    )
    assert find_violations(make_history(FIRST_MENTION, messages=(gone, FIRST_REPLY))) == set()


def test_overlap_ends_with_the_first_deletion() -> None:
    """The second one may be deleted much later."""
    first = Message(
        timestamp_at(10.5),
        FIRST_MENTION.place,
        (Version(10.5, State.PLACEHOLDER),),
        deleted_at=11.2,
    )
    second = replace(first, ts=timestamp_at(10.9), versions=(Version(10.9, State.PLACEHOLDER),))
    second = replace(second, deleted_at=20.0)
    history = make_history(
        FIRST_MENTION, messages=(first, second, make_reply(FIRST_MENTION, delay=10.5))
    )
    assert find_violations(history) == set()


# -- right place


@pytest.mark.parametrize(
    "place",
    [
        replace(FIRST_MENTION.place, team="T2"),
        replace(FIRST_MENTION.place, channel="C2"),
        OTHER_PLACE,
    ],
)
def test_reply_in_wrong_team_channel_or_thread_is_reported(place: Place) -> None:
    """Each of the three counts."""
    moved = replace(FIRST_REPLY, place=place)
    assert find_violations(make_history(FIRST_MENTION, messages=(moved,))) == {
        (Invariant.RIGHT_PLACE, FIRST_MENTION.ts)
    }


def test_message_without_question_is_reported() -> None:
    """The violation's subject is the message."""
    stray = Message(timestamp_at(5.0), OTHER_PLACE, (Version(5.0, State.PLACEHOLDER),))
    assert find_violations(make_history(FIRST_MENTION, messages=(FIRST_REPLY, stray))) == {
        (Invariant.RIGHT_PLACE, stray.ts)
    }


# -- order


def test_replies_out_of_order_are_reported() -> None:
    """The younger question's reply is above the older one's."""
    swapped = (make_reply(FIRST_MENTION, delay=15.0), make_reply(SECOND_MENTION, delay=1.0))
    assert find_violations(make_history(FIRST_MENTION, SECOND_MENTION, messages=swapped)) == {
        (Invariant.ORDER, FIRST_MENTION.ts)
    }


def test_duplicate_reply_below_the_next_reply_is_reported() -> None:
    """A duplicate counts for the order too."""
    twice = (
        make_reply(FIRST_MENTION),
        make_reply(SECOND_MENTION),
        make_reply(FIRST_MENTION, delay=30.0),
    )
    assert (Invariant.ORDER, FIRST_MENTION.ts) in find_violations(
        make_history(FIRST_MENTION, SECOND_MENTION, messages=twice)
    )
    twice = (
        make_reply(FIRST_MENTION, delay=12.0),
        make_reply(SECOND_MENTION),
        make_reply(SECOND_MENTION, delay=30.0),
    )
    assert (Invariant.ORDER, FIRST_MENTION.ts) in find_violations(
        make_history(FIRST_MENTION, SECOND_MENTION, messages=twice)
    )


def test_order_is_required_only_for_events_acknowledged_in_order() -> None:
    """A question acknowledged late may be answered later, up to the tolerance."""
    late = replace(FIRST_MENTION, deliveries=(Delivery("app_mention", 22.0, 22.1, 1),))
    swapped = (make_reply(late, delay=15.0), make_reply(SECOND_MENTION, delay=1.0))
    history = make_history(late, SECOND_MENTION, messages=swapped)
    assert find_violations(history) == set()
    assert find_violations(history, Bounds(order_tolerance_seconds=5.0)) == {
        (Invariant.ORDER, FIRST_MENTION.ts)
    }


def test_notice_may_stand_above_an_older_reply() -> None:
    """A notice is posted at once, without the queue."""
    refused = Version(21.0, State.NOTICE, question=SECOND_MENTION.ts)
    notice = Message(timestamp_at(21.0), SECOND_MENTION.place, (refused,))
    said = (make_reply(FIRST_MENTION, delay=15.0), notice)
    assert find_violations(make_history(FIRST_MENTION, SECOND_MENTION, messages=said)) == set()


# -- pings and unfurls


def test_unfurl_in_an_intermediate_version_is_reported() -> None:
    """Slack has fetched the address by the next version."""
    first, *others = FIRST_REPLY.versions
    fetched = replace(FIRST_REPLY, versions=(replace(first, unfurls=1), *others))
    assert find_violations(make_history(FIRST_MENTION, messages=(fetched,))) == {
        (Invariant.NO_PING, FIRST_REPLY.ts)
    }


# -- in time


@pytest.mark.parametrize(("seconds", "broken"), [(1.2, True), (1.4, False)])
def test_late_end_is_reported(seconds: float, *, broken: bool) -> None:
    """The time counts from the acknowledgement: 1.3 s here."""
    wanted = {(Invariant.IN_TIME, FIRST_MENTION.ts)} if broken else set()
    assert find_violations(make_history(FIRST_MENTION), Bounds(max_end_seconds=seconds)) == wanted


def test_violations_are_sorted_by_invariant_and_show_no_text() -> None:
    """Each violation is one line."""
    broken = make_history(
        FIRST_MENTION, SECOND_MENTION, messages=(replace(FIRST_REPLY, place=OTHER_PLACE),)
    )
    violations = check_history(broken)
    assert [str(violation).partition(" ")[0] for violation in violations] == [
        "one-end",
        "right-place",
    ]
    assert not any(FIRST_MENTION.token in str(violation) for violation in violations)
