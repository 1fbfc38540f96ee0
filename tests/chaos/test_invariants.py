"""Each promise about replies: histories that keep it, and the least change that breaks it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.checker.expectations import Bounds, Invariant
from chaos.checker.history import Delivery, History, Mention, Message, Place, State, Version
from chaos.checker.invariants import check
from tests.chaos.synthetic_histories import (
    ELSEWHERE,
    FOLLOWING,
    ONE,
    REPLY,
    changed,
    kept,
    named,
    named_by,
    reply,
    run,
)


@given(kept())
def test_a_run_that_keeps_all_promises_is_left_alone(history: History) -> None:
    """In whatever order it is told."""
    assert check(history) == ()


Damage = Callable[[Mention, Message], tuple[Message, ...]]


def _doubled(_to: Mention, said: Message) -> tuple[Message, ...]:
    return said, replace(said, ts=f"{said.ts}1")


def _moved(_to: Mention, said: Message) -> tuple[Message, ...]:
    return (replace(said, place=ELSEWHERE),)


def _pinging(_to: Mention, said: Message) -> tuple[Message, ...]:
    first, *others = said.versions
    return (replace(said, versions=(replace(first, pings=1), *others)),)


@pytest.mark.parametrize(
    ("damage", "broken"),
    [
        (lambda _to, _said: (), {Invariant.ONE_END}),
        (_doubled, {Invariant.ONE_END, Invariant.ONE_MESSAGE}),
        (_moved, {Invariant.RIGHT_PLACE}),
        (lambda _to, said: (changed(said),), {Invariant.FINAL}),
        (_pinging, {Invariant.NO_PING}),
    ],
    ids=["lost", "doubled", "moved", "changed", "pinging"],
)
@settings(max_examples=40)
@given(history=kept().filter(lambda history: history.mentions), data=st.data())
def test_one_damage_anywhere_is_named(
    damage: Damage, broken: set[Invariant], history: History, data: st.DataObject
) -> None:
    """Whichever reply it befalls, only its own promise is broken, and only once."""
    to = data.draw(st.sampled_from(history.mentions))
    said = next(m for m in history.messages if float(m.ts) == float(to.ts) + 1)
    left = tuple(message for message in history.messages if message is not said)
    violations = check(replace(history, messages=(*left, *damage(to, said))))
    assert sorted(violation.invariant for violation in violations) == sorted(broken)


# -- I1: one end


def test_a_placeholder_is_no_end() -> None:
    """A mention whose reply never became final was not answered."""
    stuck = replace(REPLY, versions=REPLY.versions[:2])
    assert named_by(run(ONE, messages=(stuck,))) == {(Invariant.ONE_END, ONE.ts)}


@pytest.mark.parametrize("state", [State.FINAL, State.ERROR, State.NOTICE])
def test_an_error_and_a_refusal_are_ends(state: State) -> None:
    """They need not have been placeholders first."""
    said = Message(REPLY.ts, ONE.place, (Version(11.0, state, question=ONE.ts),))
    assert named_by(run(ONE, messages=(said,))) == set()


def test_nothing_is_promised_without_an_acknowledgement_of_both_twins() -> None:
    """Slack delivers again what one of them was not acknowledged for."""
    half = replace(ONE, deliveries=(ONE.deliveries[0], Delivery("message", 10.0)))
    assert half.acknowledged_at is None
    assert named_by(run(half, messages=())) == {(Invariant.ACKNOWLEDGED, ONE.ts)}
    again = replace(half, deliveries=(*half.deliveries, Delivery("message", 70.0, 70.5, 1)))
    assert again.acknowledged_at == 70.5
    assert named_by(run(again, messages=())) == {(Invariant.ONE_END, ONE.ts)}


# -- I2: one message


def test_further_parts_count_with_the_reply() -> None:
    """A long reply is one reply; a part that stands twice is one too many."""
    part = Message(named(12.0), ONE.place, (Version(12.0, State.FINAL, "two", part="2"),))
    assert named_by(run(ONE, messages=(REPLY, part))) == set()
    twice = replace(part, ts=named(12.5))
    assert named_by(run(ONE, messages=(REPLY, part, twice))) == {(Invariant.ONE_MESSAGE, ONE.ts)}


@pytest.mark.parametrize(("seconds", "broken"), [(0.5, False), (1.5, True)])
def test_a_second_placeholder_may_stand_for_a_moment(seconds: float, *, broken: bool) -> None:
    """A late writer takes its own away; for long, a reader has seen two."""
    late = replace(REPLY, ts=named(12.0), versions=(Version(12.0, State.PLACEHOLDER),))
    gone = replace(late, deleted_at=12.0 + seconds)
    wanted = {(Invariant.ONE_MESSAGE, ONE.ts)} if broken else set()
    assert named_by(run(ONE, messages=(REPLY, gone))) == wanted
    assert named_by(run(ONE, messages=(REPLY, late))) == {(Invariant.ONE_MESSAGE, ONE.ts)}


def test_what_was_deleted_before_the_next_came_never_stood_beside_it() -> None:
    """A placeholder may be taken away and another one posted."""
    gone = Message(named(10.5), ONE.place, (Version(10.5, State.PLACEHOLDER),), deleted_at=10.9)
    assert named_by(run(ONE, messages=(gone, REPLY))) == set()


def test_two_stand_together_until_the_first_of_them_goes() -> None:
    """Whichever that is."""
    first = Message(named(10.5), ONE.place, (Version(10.5, State.PLACEHOLDER),), deleted_at=11.2)
    second = replace(first, ts=named(10.9), versions=(Version(10.9, State.PLACEHOLDER),))
    second = replace(second, deleted_at=20.0)
    history = run(ONE, messages=(first, second, reply(ONE, after=10.5)))
    assert named_by(history) == set()


# -- I3: the right place


@pytest.mark.parametrize(
    "place", [replace(ONE.place, team="T2"), replace(ONE.place, channel="C2"), ELSEWHERE]
)
def test_team_channel_and_thread_must_be_right(place: Place) -> None:
    """Each of the three."""
    moved = replace(REPLY, place=place)
    assert named_by(run(ONE, messages=(moved,))) == {(Invariant.RIGHT_PLACE, ONE.ts)}


def test_a_message_that_answers_nobody_is_out_of_place() -> None:
    """It is named itself."""
    stray = Message(named(5.0), ELSEWHERE, (Version(5.0, State.PLACEHOLDER),))
    assert named_by(run(ONE, messages=(REPLY, stray))) == {(Invariant.RIGHT_PLACE, stray.ts)}


# -- I4: order


def test_replies_in_the_wrong_order_are_named() -> None:
    """The younger question's reply stands above the older one's."""
    swapped = (reply(ONE, after=15.0), reply(FOLLOWING, after=1.0))
    assert named_by(run(ONE, FOLLOWING, messages=swapped)) == {(Invariant.ORDER, ONE.ts)}


def test_every_reply_of_a_question_must_stand_above_the_next() -> None:
    """Also the one too many."""
    twice = (reply(ONE), reply(FOLLOWING), reply(ONE, after=30.0))
    assert (Invariant.ORDER, ONE.ts) in named_by(run(ONE, FOLLOWING, messages=twice))
    twice = (reply(ONE, after=12.0), reply(FOLLOWING), reply(FOLLOWING, after=30.0))
    assert (Invariant.ORDER, ONE.ts) in named_by(run(ONE, FOLLOWING, messages=twice))


def test_order_is_promised_only_to_what_was_heard_in_order() -> None:
    """A question that Slack could deliver only later comes later, unless it is waited for."""
    late = replace(ONE, deliveries=(Delivery("app_mention", 22.0, 22.1, 1),))
    swapped = (reply(late, after=15.0), reply(FOLLOWING, after=1.0))
    history = run(late, FOLLOWING, messages=swapped)
    assert named_by(history) == set()
    assert named_by(history, Bounds(hold=5.0)) == {(Invariant.ORDER, ONE.ts)}


def test_a_refusal_may_stand_above_an_older_reply() -> None:
    """It is said at once."""
    refused = Version(21.0, State.NOTICE, question=FOLLOWING.ts)
    notice = Message(named(21.0), FOLLOWING.place, (refused,))
    said = (reply(ONE, after=15.0), notice)
    assert named_by(run(ONE, FOLLOWING, messages=said)) == set()


# -- I5: pings and unfurls


def test_an_unfurl_in_a_passing_version_counts() -> None:
    """Slack has fetched the address by then."""
    first, *others = REPLY.versions
    fetched = replace(REPLY, versions=(replace(first, unfurls=1), *others))
    assert named_by(run(ONE, messages=(fetched,))) == {(Invariant.NO_PING, REPLY.ts)}


# -- I7: in time


@pytest.mark.parametrize(("seconds", "broken"), [(1.2, True), (1.4, False)])
def test_the_end_must_come_in_time(seconds: float, *, broken: bool) -> None:
    """Counted from the acknowledgement: 1.3 s here."""
    wanted = {(Invariant.IN_TIME, ONE.ts)} if broken else set()
    assert named_by(run(ONE), Bounds(end=seconds)) == wanted


def test_violations_come_in_the_order_of_the_plan_and_show_no_text() -> None:
    """A line each."""
    broken = run(ONE, FOLLOWING, messages=(replace(REPLY, place=ELSEWHERE),))
    violations = check(broken)
    assert [str(violation).partition(" ")[0] for violation in violations] == ["I1", "I3"]
    assert not any(ONE.token in str(violation) for violation in violations)
