"""The order of a conversation: an answer stands beside its question, and nothing after the ask."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contract.conversation import Speaker, Turn, order_turns

TIMESTAMPS = st.integers(0, 99).map(lambda n: f"17000000{n:02}.000100")


def make_question(ts: str) -> Turn:
    """Return a person's turn."""
    return Turn(speaker=Speaker.USER, text="?", ts=ts, name="Ada")


def make_answer(ts: str, in_reply_to: str | None = None) -> Turn:
    """Return a turn of ours."""
    return Turn(speaker=Speaker.ASSISTANT, text="!", ts=ts, in_reply_to=in_reply_to)


TURNS = st.lists(
    TIMESTAMPS.map(make_question) | st.builds(make_answer, TIMESTAMPS, st.none() | TIMESTAMPS),
    max_size=12,
).map(tuple)


def test_an_answer_stands_behind_its_question() -> None:
    """A question posted while the answer to another grew stands behind that answer."""
    first, second = make_question("1.0"), make_question("2.0")
    late = make_answer("3.0", in_reply_to="1.0")

    assert order_turns((first, second, late), until="2.0") == (first, late, second)


def test_what_came_after_the_ask_is_left_out() -> None:
    """Neither later messages nor an answer to the question itself are before the question."""
    asked = make_question("2.0")
    turns = (
        make_question("1.0"),
        asked,
        make_answer("2.5", in_reply_to="2.0"),
        make_question("3.0"),
        make_answer("2.0"),
    )

    assert order_turns(turns, until="2.0") == (turns[0], asked)


def test_an_answer_to_nobody_stands_where_it_was_posted() -> None:
    """A turn of ours without a question keeps its own place in time."""
    turns = (make_question("1.0"), make_answer("1.5"), make_question("2.0"))

    assert order_turns(turns[::-1], until="2.0") == turns


@given(turns=TURNS, until=TIMESTAMPS)
def test_order_is_a_matter_of_places_alone(turns: tuple[Turn, ...], until: str) -> None:
    """Ordering loses nothing that is due, repeats nothing, and does not change its own result."""
    ordered = order_turns(turns, until=until)

    assert order_turns(ordered, until=until) == ordered
    assert [turn.sort_key for turn in ordered] == sorted(turn.sort_key for turn in ordered)
    assert sorted(map(repr, ordered)) == sorted(
        repr(turn) for turn in turns if turn.sort_key <= (until, False)
    )


@given(turns=TURNS, until=TIMESTAMPS)
def test_nobody_speaks_between_a_question_and_its_answer(
    turns: tuple[Turn, ...], until: str
) -> None:
    """Behind a question come its answers first, whatever was posted between them."""
    ordered = order_turns(turns, until=until)
    for before, after in pairwise(ordered):
        if after.in_reply_to in {turn.ts for turn in ordered if turn.speaker is Speaker.USER}:
            assert after.in_reply_to in {before.ts, before.in_reply_to}


def test_a_turn_never_changes_and_has_no_other_fields() -> None:
    """A turn is a value: what the contract does not name is refused."""
    turn = make_question("1.0")

    with pytest.raises(ValidationError):
        turn.text = "other"
    with pytest.raises(ValidationError):
        Turn.model_validate(turn.model_dump() | {"mood": "good"})
