"""Answers and surplus parts, as Redis keeps them: anything may be in a field."""

import pytest

from contract import keys
from contract.answers import MAX_CANDIDATES_BYTES, Answer, AnswerVersion, previous_field
from contract.earlier_answer import EarlierAnswer
from contract.surplus import MAX_SURPLUS, Surplus


def test_answer_comes_back_from_json() -> None:
    """A reply that was cut can go further."""
    answer = Answer(text="x", reply_id="0a", prompt_ids=(1,), cut_ids=(2,))
    assert Answer.from_json(answer.model_dump_json()) == answer
    assert answer.is_cut
    assert not Answer(text="x").is_cut
    assert previous_field("1.0") == "1.0:previous"
    earlier = EarlierAnswer(author_name="Ada", asked_at=1, num_ran=1, permalink="https://a.b/c")
    pointer = Answer(text="", reply_id="0a", earlier_answer=earlier)
    assert Answer.from_json(pointer.model_dump_json(exclude_defaults=True)) == pointer
    assert pointer.as_version() == AnswerVersion(text="", reply_id="0a")


def test_next_candidate_takes_turns_with_the_others() -> None:
    """What a cut reply needs stays with the version that was shown first."""
    first = Answer(text="a", reply_id="0a", prompt_ids=(1,), cut_ids=(2,))
    others = [AnswerVersion(text=text, reply_id=f"0{text}") for text in "bc"]
    shown = first.add_others(others)
    assert first.show_next() is None
    seen = []
    for _ in range(4):
        seen.append((shown.text, [other.text for other in shown.others]))
        assert Answer.from_json(shown.model_dump_json()) == shown
        following = shown.show_next()
        assert following is not None
        shown = following

    assert seen == [("a", ["b", "c"]), ("b", ["c", "a"]), ("c", ["a", "b"]), ("a", ["b", "c"])]
    assert not shown.is_cut


@pytest.mark.parametrize("text", ["x" * (MAX_CANDIDATES_BYTES // 3), "锁" * (2**16 // 9)])
def test_candidates_are_bounded(text: str) -> None:
    """All of them together, so that none is lost in its turn; the answer itself always stays."""
    long = [AnswerVersion(text=text) for _ in range(3)]
    answer = Answer(text="a").add_others(long)
    assert len(answer.others) == 2
    following = answer.show_next()
    assert following is not None
    assert len(following.others) == 2
    assert Answer(text="x" * MAX_CANDIDATES_BYTES).add_others(long).others == ()


def test_shown_candidate_takes_turns_with_its_facts_and_details() -> None:
    """They are added after the candidates were counted, and cost no text."""
    texts = [name * (MAX_CANDIDATES_BYTES // 4 - 100) for name in "abcd"]
    first, *others = [AnswerVersion(text=text) for text in texts]
    shown = Answer(**dict(first)).add_others(others)
    seen = []
    for _ in texts:
        late = {"facts": "f" * 700, "details": "d" * 2000}
        following = shown.model_copy(update=late).show_next()
        assert following is not None
        shown = following
        seen.append(shown.text[0])

    assert "".join(seen) == "bcda"


@pytest.mark.parametrize(
    "entry",
    [
        None,
        "",
        "x",
        b"\xff",
        '{"text": 1}',
        '{"text":"","reply_id":"x"}',
        '{"text":"","others":[{"text":"","others":1,"reply_id":"x"}]}',
    ],
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


@pytest.mark.parametrize(
    ("facts", "shared"),
    [
        ('{"model": "m", "is_uncovered": true}', '{"model": "m"}'),
        ('{"model": "m"}', '{"model": "m"}'),
        ("[]", "[]"),
    ],
)
def test_shared_answer_is_covered_again(facts: str, shared: str) -> None:
    """One person's wish to see it holds for that person."""
    assert Answer(text="x", facts=facts).to_job_fields()[keys.ANSWER_FACTS] == shared
