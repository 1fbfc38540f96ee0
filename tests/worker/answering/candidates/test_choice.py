"""Choice among candidates: strictly more checks must hold, or the first one stays."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testing.checked_replies import find_in_block
from worker.answering.candidates.choice import Score, choose_candidate, has_fence, score_code
from worker.render import ReplyFacts, list_checkable, parse_reply

FACTS = ReplyFacts("m", "stop", 256)
GOOD, BROKEN = "```python\nx = 1\n```\n", "```python\nx = = 1\n```\n"
RISKY, OPEN = "```python\nimport os\nos.system(input())\n```\n", "```python\nx = 1\n"
UNKNOWN, TABLE = "```sql\nSELECT 1;\n```\n", "| a | b |\n|---|---|\n| 1 | 2 |\n"


def score_text(text: str, *, is_checked: bool = True) -> Score:
    """Return the score of a reply, with the findings of the real checks."""
    reply = parse_reply(text, facts=FACTS)
    blocks = list_checkable(reply.pieces) if is_checked else []
    return score_code(reply.pieces, {block: find_in_block(block) for block in blocks})


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("", Score.NO_CODE),
        ("Yes.", Score.NO_CODE),
        (TABLE, Score.NO_CODE),
        (OPEN, Score.NO_CODE),
        (GOOD + OPEN, Score.NO_CODE),
        (BROKEN, Score.CLOSED),
        (GOOD + BROKEN, Score.CLOSED),
        (UNKNOWN, Score.CLOSED),
        (GOOD + UNKNOWN, Score.CLOSED),
        (RISKY, Score.PARSES),
        (GOOD + RISKY, Score.PARSES),
        (GOOD, Score.NO_HINT),
        (TABLE + GOOD + "Done.", Score.NO_HINT),
    ],
)
def test_score_says_which_checks_hold(text: str, score: Score) -> None:
    """Code that no parser could read does not count as parsed."""
    assert score_text(text) is score


def test_unchecked_code_has_no_better_score_than_broken_code() -> None:
    """A check that hangs or dies never makes a candidate better."""
    assert score_text(GOOD, is_checked=False) is score_text(BROKEN)


@pytest.mark.parametrize(
    ("scores", "chosen"),
    [
        ([3], 0),
        ([1, 1, 1], 0),
        ([1, 2, 3, 3], 2),
        ([3, 3], 0),
        ([0, None, 1], 2),
        ([None, 3], 0),
        ([0, None], 0),
    ],
)
def test_first_stays_unless_another_is_strictly_better(
    scores: list[int | None], chosen: int
) -> None:
    """Of equal ones the first wins. Without its own score, none is known to be better."""
    found = [None if score is None else Score(score) for score in scores]
    assert choose_candidate(found) == chosen


@given(st.lists(st.sampled_from([None, *Score]), min_size=1, max_size=4))
def test_choice_is_never_worse_than_the_first(scores: list[Score | None]) -> None:
    """And it has a score, if the first has one."""
    chosen, first = scores[choose_candidate(scores)], scores[0]
    assert (chosen is None) == (first is None)
    assert chosen is None or first is None or chosen >= first


def test_inline_code_opens_no_fence() -> None:
    """Neither do two signs of one."""
    assert [has_fence(text, 0) for text in ("`x` ``y``", "a ~~b~~", "", "\n~~~\n")] == [
        *[False] * 3,
        True,
    ]


@given(st.text("`~x\n", max_size=40), st.integers(1, 7))
def test_fence_is_found_in_any_pieces(text: str, size: int) -> None:
    """A growing text is searched once, also where a fence lies across two pieces."""
    ends = [*range(0, len(text), size), len(text)]
    found = [has_fence(text[:end], start) for start, end in pairwise(ends)]
    assert any(found) == ("```" in text or "~~~" in text)
