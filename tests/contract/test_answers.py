"""Answers and surplus parts, as Redis keeps them: anything may be in a field."""

import pytest

from contract import keys
from contract.answers import Answer, previous_field
from contract.surplus import MAX_SURPLUS, Surplus


def test_answer_comes_back_from_json() -> None:
    """A reply that was cut can go further."""
    answer = Answer(text="x", reply_id="0a", prompt_ids=(1,), cut_ids=(2,))
    assert Answer.from_json(answer.model_dump_json()) == answer
    assert answer.is_cut
    assert not Answer(text="x").is_cut
    assert previous_field("1.0") == "1.0:previous"


@pytest.mark.parametrize(
    "entry", [None, "", "x", b"\xff", '{"text": 1}', '{"text":"","reply_id":"x"}']
)
def test_other_entries_are_no_answers(entry: str | bytes | None) -> None:
    """They count as missing."""
    assert Answer.from_json(entry) is None


def test_surplus_comes_back_from_json() -> None:
    """It names messages and files."""
    surplus = Surplus(messages=("1.0",), files=("F1",))
    assert Surplus.from_json(surplus.model_dump_json()) == surplus


@pytest.mark.parametrize(
    "field",
    [
        None,
        "",
        "x",
        '{"messages": ["a"]}',
        '{"files": ["../x"]}',
        f'{{"files": {["F"] * (MAX_SURPLUS + 1)}}}',
    ],
)
def test_nothing_is_surplus_by_a_malformed_field(field: str | None) -> None:
    """Nothing is deleted then."""
    assert Surplus.from_json(field) == Surplus()


def test_job_gets_a_stored_answer_by_its_fields() -> None:
    """Each fact is in one field, and the text is not repeated."""
    answer = Answer(text="x", reply_id="0a", token_ids=(1,), facts="{1}", details="{2}")
    fields = answer.to_job_fields()
    kept = Answer.from_json(fields.pop(keys.ANSWER_IDS))

    assert kept == Answer(text="", reply_id="0a", token_ids=(1,))
    assert list(fields.values()) == ["x", "{1}", "{2}"]
