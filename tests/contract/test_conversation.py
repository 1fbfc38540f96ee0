"""Order of a conversation: each answer follows its question, and the last turn is the question."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contract.conversation import Speaker, Turn, order_turns

TIMESTAMPS = st.integers(0, 99).map(lambda n: f"17000000{n:02}.000100")


def make_question(ts: str) -> Turn:
    """Return a user's turn."""
    return Turn(speaker=Speaker.USER, text="?", ts=ts, name="Ada")


def make_answer(ts: str, in_reply_to: str | None = None) -> Turn:
    """Return an assistant's turn."""
    return Turn(speaker=Speaker.ASSISTANT, text="!", ts=ts, in_reply_to=in_reply_to)


TURNS = st.lists(
    TIMESTAMPS.map(make_question) | st.builds(make_answer, TIMESTAMPS, st.none() | TIMESTAMPS),
    max_size=12,
).map(tuple)


def test_answer_follows_its_question() -> None:
    """A question posted before another's answer was finished comes after that answer."""
    first, second = make_question("1.0"), make_question("2.0")
    late = make_answer("3.0", in_reply_to="1.0")

    assert order_turns((first, second, late), until="2.0") == (first, late, second)


def test_turns_after_the_question_are_left_out() -> None:
    """Neither later messages nor an answer to the question are part of the conversation."""
    asked = make_question("2.0")
    turns = (
        make_question("1.0"),
        asked,
        make_answer("2.5", in_reply_to="2.0"),
        make_question("3.0"),
        make_answer("2.0"),
    )

    assert order_turns(turns, until="2.0") == (turns[0], asked)


def test_answer_without_question_keeps_its_time() -> None:
    """An assistant's turn that answers no known turn is sorted by its own timestamp."""
    turns = (make_question("1.0"), make_answer("1.5"), make_question("2.0"))

    assert order_turns(turns[::-1], until="2.0") == turns


@given(turns=TURNS, until=TIMESTAMPS)
def test_ordering_is_idempotent_and_complete(turns: tuple[Turn, ...], until: str) -> None:
    """Ordering neither loses nor repeats a turn up to the question."""
    ordered = order_turns(turns, until=until)

    assert order_turns(ordered, until=until) == ordered
    assert [turn.sort_key for turn in ordered] == sorted(turn.sort_key for turn in ordered)
    assert sorted(map(repr, ordered)) == sorted(
        repr(turn) for turn in turns if turn.sort_key <= (until, False)
    )


@given(turns=TURNS, until=TIMESTAMPS)
def test_nothing_comes_between_question_and_answer(turns: tuple[Turn, ...], until: str) -> None:
    """A question's answers follow it directly, even if others wrote in between."""
    ordered = order_turns(turns, until=until)
    for before, after in pairwise(ordered):
        if after.in_reply_to in {turn.ts for turn in ordered if turn.speaker is Speaker.USER}:
            assert after.in_reply_to in {before.ts, before.in_reply_to}


def test_turn_is_immutable_and_rejects_unknown_fields() -> None:
    """A turn is a value object."""
    turn = make_question("1.0")

    with pytest.raises(ValidationError):
        turn.text = "other"
    with pytest.raises(ValidationError):
        Turn.model_validate(turn.model_dump() | {"mood": "good"})
