"""Notices: named sentences with numbers, and nothing else that could come from Redis."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.notices import MAX_NUMBER, Notice, Sentence, round_seconds
from contract.masking import SecretKind

NUMBERS = st.integers(0, MAX_NUMBER)
READERS = st.sampled_from(["", "U0ADA00001"])


@given(
    st.builds(
        Notice,
        st.sampled_from(Sentence),
        NUMBERS,
        st.none() | NUMBERS,
        NUMBERS,
        READERS,
        st.lists(st.sampled_from(SecretKind)).map(tuple),
    )
)
def test_notice_survives_redis(notice: Notice) -> None:
    """Each sentence has a text."""
    assert Notice.from_json(notice.to_json()) == notice
    assert str(notice.describe())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "{}",
        '["help"]',
        '["<!channel>", 0, null]',
        '["help", true, null]',
        '["help", -1, null]',
        '["help", 0.5, null]',
        '["help", 0, 1e999]',
        '["help", 0, "<!here>"]',
        '["user_budget_exceeded", 0, null, "<!here>"]',
        '["user_budget_exceeded", 0, null, 1, 1]',
        '["help", 0, null, 0, "<!here>"]',
        '["help", 0, null, 0, null]',
        '["help", 0, null, 0, "U1", "U2"]',
        '["masked", 0, null, 0, "U1", ["<!here>"]]',
        '["masked", 0, null, 0, "U1", [[]]]',
        '["masked", 0, null, 0, "U1", {"jwt": 1}, 1]',
        '[["help"], 0, null]',
        "[" * 100_000,
        json.dumps(["help", MAX_NUMBER + 1, None]),
    ],
)
def test_anything_else_is_rejected(text: str) -> None:
    """A value that the bot did not write is no notice; the error quotes nothing of it."""
    with pytest.raises(ValueError, match=r"^not a (notice|number of a notice|reader of a notice)$"):
        Notice.from_json(text)


def test_refused_questions_are_counted() -> None:
    """A joined notice says how many questions were not taken."""
    notice = Notice(Sentence.TOO_LONG)
    text = str(notice.describe())
    assert str(notice.describe(0)) == text
    assert str(notice.describe(1, is_more=True)) == f"1 more question was not taken. {text}"
    assert str(notice.describe(4, is_more=True)) == f"4 more questions were not taken. {text}"
    assert str(notice.describe(2)) == f"2 questions were not taken. {text}"


def test_expected_wait_is_a_whole_number() -> None:
    """Redis holds whole seconds."""
    assert [round_seconds(s) for s in (None, -1.0, 2.6, 1e12)] == [None, 0, 3, MAX_NUMBER]
