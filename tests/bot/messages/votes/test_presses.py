"""Votes: what follows from the presses of a person, in any order and repetition."""

import random
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.messages.votes.presses import (
    DOUBLE_CLICK_SECONDS,
    MAX_PRESSES,
    Mark,
    Press,
    PressKind,
    Reason,
    Vote,
    count_vote,
    decode_presses,
    encode_presses,
    sum_up_presses,
)

REASON = Press(ts="10.000000", kind=PressKind.REASON, reason=Reason.WRONG)


def toggle(second: float, mark: Mark = Mark.UP) -> Press:
    """Press a button at a time."""
    return Press(ts=f"{second:.6f}", kind=PressKind.TOGGLE, mark=mark)


def react(second: float, mark: Mark, *, removed: bool = False) -> Press:
    """Add or remove a reaction at a time."""
    kind = PressKind.CLEAR if removed else PressKind.SET
    return Press(ts=f"{second:.6f}", kind=kind, mark=mark)


UNREACT = react(30, Mark.UP, removed=True)
PRESSES = st.builds(
    toggle,
    st.integers(1, 60).map(float),
    st.sampled_from(list(Mark)),
) | st.builds(
    lambda second, mark, removed: react(second, mark, removed=removed),
    st.integers(1, 60).map(float),
    st.sampled_from([Mark.UP, Mark.DOWN]),
    st.booleans(),
)


@pytest.mark.parametrize(
    ("presses", "vote"),
    [
        ([], Vote()),
        ([toggle(10)], Vote(Mark.UP)),
        ([toggle(10), toggle(10 + DOUBLE_CLICK_SECONDS)], Vote(Mark.UP)),
        ([toggle(10), toggle(20)], Vote()),
        ([toggle(10), toggle(11, Mark.DOWN), toggle(12)], Vote(Mark.UP)),
        ([toggle(10, Mark.DOWN), REASON], Vote(Mark.DOWN, Reason.WRONG)),
        ([toggle(9, Mark.DOWN), toggle(10, Mark.DOWN), REASON], Vote(Mark.DOWN, Reason.WRONG)),
        ([toggle(10, Mark.DOWN), REASON, toggle(20)], Vote(Mark.UP)),
        ([toggle(10, Mark.DOWN), REASON, toggle(20, Mark.DOWN)], Vote()),
        ([toggle(9), REASON], Vote(Mark.UP)),
        ([toggle(10), toggle(11, Mark.RAN)], Vote(Mark.UP, ran=True)),
        ([toggle(10, Mark.RAN), toggle(20, Mark.RAN)], Vote()),
        ([react(10, Mark.UP)], Vote(Mark.UP)),
        ([react(10, Mark.UP), toggle(20, Mark.DOWN), UNREACT], Vote(Mark.DOWN)),
        ([react(10, Mark.UP), react(20, Mark.UP, removed=True)], Vote()),
        ([toggle(10), react(20, Mark.UP)], Vote(Mark.UP)),
    ],
)
def test_last_press_wins(presses: list[Press], vote: Vote) -> None:
    """A second press withdraws, a double click does not; a reaction counts as a button."""
    assert count_vote(presses) == vote
    assert count_vote([*reversed(presses), *presses]) == vote


@given(st.lists(PRESSES, max_size=20), st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(presses: list[Press], rng: random.Random) -> None:
    """Slack delivers twice and in any order."""
    shuffled = [*presses, *presses]
    rng.shuffle(shuffled)

    assert count_vote(shuffled) == count_vote(presses)


def test_presses_of_one_time_have_an_order() -> None:
    """A set's own order differs from process to process."""
    presses = [toggle(60), react(60, Mark.UP), react(60, Mark.UP, removed=True)]

    kinds = {tuple(sum_up_presses(some)) for some in permutations(presses)}
    assert len(kinds) == 1


def test_many_presses_are_summed_up() -> None:
    """The vote stays, the list is bounded, and a late press before its beginning has no effect."""
    presses = [toggle(10 * number, Mark.DOWN) for number in range(1, MAX_PRESSES * 2)]
    presses += [toggle(15, Mark.RAN)]
    presses += [Press(ts=presses[40].ts, kind=PressKind.REASON, reason=Reason.UNSAFE)]
    kept: tuple[Press, ...] = ()
    for press in sorted(presses, key=lambda one: float(one.ts)):
        kept = sum_up_presses([*kept, press])
        assert len(kept) <= MAX_PRESSES

    assert count_vote(kept) == count_vote(presses) == Vote(Mark.DOWN, ran=True)
    assert count_vote([*kept, toggle(1), toggle(2, Mark.RAN)]) == count_vote(kept)


def test_reason_survives_the_sum() -> None:
    """The summed-up press of the reason's time carries it."""
    presses = [toggle(10, Mark.DOWN), REASON]
    presses += [toggle(20 + 10 * number, Mark.RAN) for number in range(MAX_PRESSES)]

    assert count_vote(sum_up_presses(presses)) == Vote(Mark.DOWN, Reason.WRONG)


def test_presses_are_serialized_without_text() -> None:
    """The JSON is ASCII; anything else is refused without a quotation."""
    presses = (toggle(10, Mark.RAN), REASON)

    assert decode_presses(encode_presses(presses)) == presses
    for text in ("", "[1]", '[{"ts":"x","kind":"set"}]', '[{"ts":"1.0","kind":"secret"}]'):
        with pytest.raises(ValueError, match=r"^not presses$"):
            decode_presses(text)
