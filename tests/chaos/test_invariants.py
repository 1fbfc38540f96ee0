"""Each promise about replies: histories that keep it, and the least change that breaks it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chaos.history import (
    Canary,
    Delivery,
    Find,
    History,
    Mention,
    Message,
    Place,
    State,
    Version,
)
from tests.chaos.invariants import check
from tests.chaos.promises import Bounds, Invariant

TEAM = "T1"
ELSEWHERE = Place(TEAM, "C9", "1.0")


def named(second: float) -> str:
    """Return the ts of what is posted at this second."""
    return f"{1_700_000_000 + second:.6f}"


def mention(second: float, *, thread: float | None = None, channel: str = "C1") -> Mention:
    """Return a question that was acknowledged at once; its token is unlike any other."""
    ts = named(second)
    place = Place(TEAM, channel, ts if thread is None else named(thread))
    told = tuple(Delivery(event, second, second + 0.1) for event in ("app_mention", "message"))
    return Mention(ts, place, f"q{second:g}-abcd", second, told)


def reply(to: Mention, after: float = 1.0, *, ours: bool = True) -> Message:
    """Return a reply that grew from a placeholder; with our metadata, or told by its words."""
    at = to.asked_at + after
    question = to.ts if ours else None
    token = frozenset({to.token, "echo"})
    versions = (
        Version(at, State.PLACEHOLDER, "…", frozenset(), question),
        Version(at + 0.2, State.GROWING, "ec", frozenset({"ec"}), question),
        Version(at + 0.4, State.FINAL, "echo", token, question),
    )
    return Message(named(at), to.place, versions)


def run(*mentions: Mention, messages: tuple[Message, ...] | None = None) -> History:
    """Return a history of these questions and their replies, which ended long after."""
    said = tuple(reply(to) for to in mentions) if messages is None else messages
    return History(mentions=mentions, messages=said, ended_at=1_000.0)


def named_by(history: History, bounds: Bounds | None = None) -> set[tuple[Invariant, str]]:
    """Return what is broken, and about whom."""
    violations = check(history, bounds or Bounds())
    return {(violation.invariant, violation.about) for violation in violations}


ONE = mention(10.0)
REPLY = reply(ONE)
FOLLOWING = mention(20.0, thread=10.0)


@st.composite
def kept(draw: st.DrawFn) -> History:
    """Runs in which every promise is kept, by bots with and without metadata."""
    ours = draw(st.booleans())
    mentions, messages, second = list[Mention](), list[Message](), 0.0
    for channel in draw(st.lists(st.sampled_from(("C1", "C2")), max_size=4)):
        second += 10
        thread = second
        for _ in range(draw(st.integers(1, 4))):
            mentions.append(mention(second, thread=thread, channel=channel))
            messages.append(reply(mentions[-1], ours=ours))
            second += draw(st.sampled_from((2.0, 5.0)))
    order = draw(st.permutations(messages))
    return run(*draw(st.permutations(mentions)), messages=tuple(order))


@given(kept())
def test_a_run_that_keeps_all_promises_is_left_alone(history: History) -> None:
    """In whatever order it is told."""
    assert check(history) == ()


Damage = Callable[[Mention, Message], tuple[Message, ...]]


def _doubled(_to: Mention, said: Message) -> tuple[Message, ...]:
    return said, replace(said, ts=f"{said.ts}1")


def _moved(_to: Mention, said: Message) -> tuple[Message, ...]:
    return (replace(said, place=ELSEWHERE),)


def _changed(_to: Mention, said: Message) -> tuple[Message, ...]:
    later = replace(said.last, at=said.last.at + 5, look="changed")
    return (replace(said, versions=(*said.versions, later)),)


def _pinging(_to: Mention, said: Message) -> tuple[Message, ...]:
    first, *others = said.versions
    return (replace(said, versions=(replace(first, pings=1), *others)),)


@pytest.mark.parametrize(
    ("damage", "broken"),
    [
        (lambda _to, _said: (), {Invariant.ONE_END}),
        (_doubled, {Invariant.ONE_END, Invariant.ONE_MESSAGE}),
        (_moved, {Invariant.RIGHT_PLACE}),
        (_changed, {Invariant.FINAL}),
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


@pytest.mark.parametrize("state", [State.FINAL, State.ERROR, State.REFUSED])
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
    refused = Version(21.0, State.REFUSED, question=FOLLOWING.ts)
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


# -- I10: the final stays


def test_the_same_final_once_more_is_no_change() -> None:
    """Nobody sees it."""
    again = replace(REPLY.last, at=50.0)
    repeated = replace(REPLY, versions=(*REPLY.versions, again))
    assert named_by(run(ONE, messages=(repeated,))) == set()


def test_changes_after_the_end_are_let_pass_where_workers_were_paused() -> None:
    """As many as the run says, and no more."""
    (changed,) = _changed(ONE, REPLY)
    history = run(ONE, messages=(changed,))
    assert named_by(history, Bounds(late_edits=1)) == set()
    assert named_by(history, Bounds(late_edits=0)) == {(Invariant.FINAL, ONE.ts)}


def test_a_final_that_goes_is_missed() -> None:
    """Unless it was one of two, or its question went too."""
    gone = replace(REPLY, deleted_at=30.0)
    broken = {(Invariant.ONE_END, ONE.ts), (Invariant.FINAL, ONE.ts)}
    assert named_by(run(ONE, messages=(gone,))) == broken
    assert named_by(run(replace(ONE, deleted_at=29.0), messages=(gone,))) == set()


@pytest.mark.parametrize(("at", "broken"), [(12.0, False), (17.0, True)])
def test_a_reply_may_change_once_its_question_has(at: float, *, broken: bool) -> None:
    """But not before."""
    (changed,) = _changed(ONE, REPLY)
    wanted = {(Invariant.FINAL, ONE.ts)} if broken else set()
    assert named_by(run(replace(ONE, edited_at=at), messages=(changed,))) == wanted
    gone = replace(REPLY, deleted_at=16.5)
    history = run(replace(ONE, edited_at=at), messages=(gone, reply(ONE, after=20.0)))
    assert named_by(history) == set()
    history = run(replace(ONE, edited_at=at), messages=(gone,))
    assert named_by(history) == wanted | {(Invariant.ONE_END, ONE.ts)}


# -- I11: words stay where they belong


@pytest.mark.parametrize(
    ("canary", "broken"),
    [
        (Canary("echo", TEAM), False),
        (Canary("echo", TEAM, "C1"), False),
        (Canary("echo", TEAM, "C1", ONE.ts), False),
        (Canary("echo", "T2"), True),
        (Canary("echo", TEAM, "C2"), True),
        (Canary("echo", TEAM, "C1", "7.0"), True),
    ],
)
def test_a_word_of_another_place_is_foreign(canary: Canary, *, broken: bool) -> None:
    """Of another team, channel or thread."""
    wanted = {(Invariant.OWN_TENANT, REPLY.ts)} if broken else set()
    assert named_by(replace(run(ONE), canaries=(canary,))) == wanted


# -- I12: what is deleted is gone

DELETED = replace(ONE, deleted_at=10.8)


@pytest.mark.parametrize(
    ("said", "broken"),
    [
        ((), False),
        ((REPLY,), False),
        ((replace(REPLY, versions=REPLY.versions[:2]),), True),
        ((replace(REPLY, versions=REPLY.versions[:2], deleted_at=15.0),), False),
        ((replace(REPLY, versions=REPLY.versions[:2], deleted_at=17.0),), True),
        ((reply(ONE, after=2.0),), True),
        ((replace(reply(ONE, after=30.0), deleted_at=31.0),), True),
    ],
    ids=["none", "before", "stuck", "withdrawn", "late", "after", "much later"],
)
def test_a_deleted_question_has_no_reply(said: tuple[Message, ...], *, broken: bool) -> None:
    """Only one that ended before the deletion was known may stay."""
    wanted = {(Invariant.DELETED, ONE.ts)} if broken else set()
    assert named_by(run(DELETED, messages=said)) == wanted


@pytest.mark.parametrize(("at", "broken"), [(15.0, False), (16.0, True)])
def test_no_copy_of_a_deleted_question_is_left(at: float, *, broken: bool) -> None:
    """Such as in Redis; what still stands may be kept."""
    history = replace(run(DELETED, messages=()), finds=(Find(at, ONE.token, "a key"),))
    assert named_by(history) == ({(Invariant.DELETED, "a key")} if broken else set())
    assert named_by(replace(history, mentions=(ONE,), messages=(REPLY,))) == set()


# -- attribution


def test_a_reply_without_metadata_is_known_by_its_words() -> None:
    """Also in a thread where it is not the youngest question that it answers."""
    older, younger = reply(ONE, after=11.0, ours=False), reply(FOLLOWING, after=3.0, ours=False)
    assert named_by(run(ONE, FOLLOWING, messages=(older, younger))) == set()
    moved = replace(older, place=ELSEWHERE)
    broken = {(Invariant.RIGHT_PLACE, ONE.ts)}
    assert named_by(run(ONE, FOLLOWING, messages=(moved, younger))) == broken


def test_among_several_words_the_reply_answers_what_was_asked_there_last() -> None:
    """It may quote an older question of its thread, and one of another thread."""
    other = mention(25.0, channel="C2")
    said = reply(FOLLOWING, after=8.0, ours=False)
    words = frozenset({ONE.token, FOLLOWING.token, other.token})
    quoting = replace(said, versions=(replace(said.last, words=words),))
    messages = (REPLY, quoting, reply(other))
    assert named_by(run(ONE, FOLLOWING, other, messages=messages)) == set()


def test_metadata_says_more_than_words() -> None:
    """A reply may quote another question."""
    quoting = replace(REPLY.last, words=frozenset({FOLLOWING.token}))
    said = replace(REPLY, versions=(*REPLY.versions[:2], quoting))
    assert named_by(run(ONE, FOLLOWING, messages=(said, reply(FOLLOWING)))) == set()


def test_a_message_without_words_belongs_to_the_question_above() -> None:
    """An orphaned placeholder is one message too many for it."""
    orphan = Message(named(15.0), ONE.place, (Version(15.0, State.PLACEHOLDER),))
    history = run(ONE, FOLLOWING, messages=(REPLY, orphan, reply(FOLLOWING)))
    assert named_by(history) == {(Invariant.ONE_MESSAGE, ONE.ts)}


def test_violations_come_in_the_order_of_the_plan_and_show_no_text() -> None:
    """A line each."""
    broken = run(ONE, FOLLOWING, messages=(replace(REPLY, place=ELSEWHERE),))
    violations = check(broken)
    assert [str(violation).partition(" ")[0] for violation in violations] == ["I1", "I3"]
    assert not any(ONE.token in str(violation) for violation in violations)
