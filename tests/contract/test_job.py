"""Job payload: derived from its message, read back exactly, or rejected."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contract.conversation import Speaker, Turn
from contract.earlier_answer import EarlierAnswer
from contract.job import MAX_JOB_BYTES, BadJobError, Job, Streaming, Thread, job_id
from contract.language import Language

IDS = st.from_regex(r"[A-Z][A-Z0-9]{0,10}", fullmatch=True)
TIMESTAMPS = st.from_regex(r"[0-9]{1,10}\.[0-9]{1,6}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=50)
TURNS = st.builds(
    Turn,
    speaker=st.sampled_from(Speaker),
    text=TEXTS,
    ts=TIMESTAMPS,
    name=st.none() | TEXTS,
    in_reply_to=st.none() | TIMESTAMPS,
)
EARLIER_ANSWERS = st.builds(
    EarlierAnswer,
    author_name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=80),
    asked_at=st.integers(0, 2**32),
    num_ran=st.integers(1, 1_000),
    permalink=st.just("https://team.slack.com/archives/C1/p1500000"),
)
JOBS = st.builds(
    lambda turns, asked, **rest: Job(
        turns=(*turns, asked.model_copy(update={"speaker": Speaker.USER})), **rest
    ),
    turns=st.lists(TURNS, max_size=4),
    asked=TURNS,
    thread=st.builds(Thread, team=IDS, channel=IDS, ts=TIMESTAMPS),
    ts=TIMESTAMPS,
    user=IDS,
    user_team=IDS,
    streaming=st.sampled_from(Streaming),
    language=st.sampled_from(Language),
    earlier_answer=st.none() | EARLIER_ANSWERS,
    is_public=st.booleans(),
    presser=st.none() | IDS,
)
SECRET = "the text of a user"


def job_fields(**changes: object) -> dict[str, object]:
    """Return the fields of a valid job, with changes."""
    turn = {"speaker": "user", "text": SECRET, "ts": "1.5"}
    thread = {"team": "T1", "channel": "C1", "ts": "1.2"}
    rest = {"ts": "1.5", "user": "U1", "user_team": "T1", "turns": [turn]}
    return {"thread": thread, **rest, **changes}


@given(job=JOBS)
def test_job_survives_a_round_trip(job: Job) -> None:
    """The worker reads exactly what the bot wrote."""
    assert Job.from_json(job.to_json()) == job
    assert job.question == job.turns[-1]


def test_job_without_a_language_is_english() -> None:
    """An older bot wrote it. English is left out, so that older workers read the job too."""
    english = Job.from_json(json.dumps(job_fields()))
    chinese = Job.from_json(json.dumps(job_fields(language="zh_CN")))

    assert (english.language, chinese.language) == (Language.ENGLISH, Language.CHINESE)
    assert "language" not in english.to_json()
    with pytest.raises(BadJobError, match="language"):
        Job.from_json(json.dumps(job_fields(language="tlh")))


def test_channel_is_public_only_if_the_bot_says_so() -> None:
    """The field is left out otherwise."""
    private = Job.from_json(json.dumps(job_fields()))
    public = Job.from_json(json.dumps(job_fields(is_public=True)))

    assert (private.is_public, public.is_public) == (False, True)
    assert "is_public" not in private.to_json()


@pytest.mark.parametrize(
    "changes",
    [
        {"author_name": ""},
        {"author_name": "A" * 81},
        {"asked_at": -1},
        {"asked_at": 10**12},
        {"num_ran": 0},
        {"permalink": "javascript:alert(1)"},
        {"permalink": "https://team.slack.com/|<@U1>"},
        {"permalink": "https://team.slack.com/\n"},
        {"permalink": "https://" + "a" * 512},
        {"text": "what was asked"},
    ],
)
def test_invalid_earlier_answer_is_rejected(changes: dict[str, object]) -> None:
    """Its name and its address reach a message: both are bounded, and the address is one."""
    valid = {
        "author_name": "Ada",
        "asked_at": 1,
        "num_ran": 2,
        "permalink": "https://team.slack.com/archives/C1/p15",
    }
    assert Job.from_json(json.dumps(job_fields(earlier_answer=valid))).earlier_answer is not None
    assert "earlier_answer" not in Job.from_json(json.dumps(job_fields())).to_json()
    with pytest.raises(BadJobError, match="earlier_answer"):
        Job.from_json(json.dumps(job_fields(earlier_answer=valid | changes)))


@given(one=st.tuples(IDS, IDS, TIMESTAMPS), other=st.tuples(IDS, IDS, TIMESTAMPS))
def test_job_ids_of_two_messages_differ(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    """The id identifies one message, and RQ accepts it."""
    assert (job_id(*one) == job_id(*other)) is (one == other)
    assert set(job_id(*one)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


def test_job_id_is_derived_from_the_message() -> None:
    """The id holds the team, the channel and the message, without Slack's dot."""
    assert Job.model_validate(job_fields()).id == "T1-C1-1-5"


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"ts": "1.5\n"},
        {"ts": "١.٥"},
        {"ts": 1.5},
        {"user": "U1:pending"},
        {"user": ""},
        {"user_team": "T1\n"},
        {"turns": []},
        {"turns": [{"speaker": "assistant", "text": SECRET, "ts": "1.5"}]},
        {"turns": [{"speaker": "system", "text": SECRET, "ts": "1.5"}]},
        {"turns": SECRET},
        {"thread": {"team": "T1\n", "channel": "C1", "ts": "1.2"}},
        {"thread": {"team": "T1", "channel": "C-1", "ts": "1.2"}},
        {"thread": {"team": "T1", "channel": "C1", "ts": SECRET}},
        {"streaming": SECRET},
        {SECRET: 1},
        {"thread": {"team": "T1", "channel": "C1", "ts": "1.2", SECRET: 1}},
    ],
)
def test_invalid_job_is_rejected_without_a_quote(changes: dict[str, object]) -> None:
    """The error names the invalid field and quotes nothing of its value."""
    with pytest.raises(BadJobError) as refused:
        Job.from_json(json.dumps(job_fields(**changes)))

    assert str(refused.value).startswith("not a job: ")
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None


def test_name_of_unknown_field_is_hidden() -> None:
    """The name of an unknown field may be user text."""
    with pytest.raises(BadJobError, match=r"^not a job: an unknown field, turns\.0\.name$"):
        Job.from_json(
            json.dumps(
                job_fields(
                    **{SECRET: 1},
                    turns=[{"speaker": "user", "text": "", "ts": "1.5", "name": 7}],
                )
            )
        )


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "{",
        "null",
        "[]",
        "[" * 100_000,
        "\ud800",
        b"{}",
        None,
        7,
        ["{}"],
        "x" * (MAX_JOB_BYTES + 1),
    ],
    ids=lambda payload: repr(payload)[:20],
)
def test_malformed_payload_is_rejected(payload: object) -> None:
    """Broken JSON, other types, deep nesting and long payloads raise the same error."""
    with pytest.raises(BadJobError, match=r"^not a job"):
        Job.from_json(payload)


@given(payload=st.text() | st.recursive(st.none() | st.text(), st.lists).map(json.dumps))
def test_any_payload_raises_at_most_bad_job_error(payload: str) -> None:
    """Arbitrary text and JSON from Redis raise `BadJobError` and nothing else."""
    with pytest.raises(BadJobError):
        Job.from_json(payload)


def test_payload_limit_counts_bytes() -> None:
    """Characters of several bytes count as such."""
    wide = json.dumps(
        job_fields(turns=[{"speaker": "user", "text": "é" * (MAX_JOB_BYTES // 2), "ts": "1.5"}]),
        ensure_ascii=False,
    )

    assert len(wide) < MAX_JOB_BYTES
    with pytest.raises(BadJobError, match="longer than"):
        Job.from_json(wide)


def test_error_with_many_faults_is_short() -> None:
    """A payload with many invalid turns does not fill the log."""
    with pytest.raises(BadJobError) as refused:
        Job.from_json(json.dumps(job_fields(turns=[{} for _ in range(1000)])))

    assert len(str(refused.value)) < 300


def test_job_is_immutable() -> None:
    """A job is a value object."""
    with pytest.raises(ValidationError):
        Job.model_validate(job_fields()).ts = "2.0"
