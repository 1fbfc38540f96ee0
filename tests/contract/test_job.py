"""A job on its way through Redis: named after its message, read back exactly, or refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contract.conversation import Speaker, Turn
from contract.job import MAX_JOB_BYTES, BadJobError, Job, Streaming, Thread, job_id

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
)
SECRET = "the text of somebody"


def job_fields(**changes: object) -> dict[str, object]:
    """Return the fields of a good job, with changes."""
    turn = {"speaker": "user", "text": SECRET, "ts": "1.5"}
    thread = {"team": "T1", "channel": "C1", "ts": "1.2"}
    rest = {"ts": "1.5", "user": "U1", "user_team": "T1", "turns": [turn]}
    return {"thread": thread, **rest, **changes}


@given(job=JOBS)
def test_a_job_comes_back_as_it_went(job: Job) -> None:
    """What the bot writes the worker reads, to the last character."""
    assert Job.from_json(job.to_json()) == job
    assert job.question == job.turns[-1]


@given(one=st.tuples(IDS, IDS, TIMESTAMPS), other=st.tuples(IDS, IDS, TIMESTAMPS))
def test_two_messages_never_share_a_job(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    """The id names exactly one message, and RQ takes it."""
    assert (job_id(*one) == job_id(*other)) is (one == other)
    assert set(job_id(*one)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


def test_the_same_message_always_gives_the_same_job() -> None:
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
def test_what_is_no_job_is_refused_without_a_quote(changes: dict[str, object]) -> None:
    """The error says which field is wrong and shows nothing of what stands there."""
    with pytest.raises(BadJobError) as refused:
        Job.from_json(json.dumps(job_fields(**changes)))

    assert str(refused.value).startswith("not a job: ")
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None


def test_an_unknown_field_is_named_as_such() -> None:
    """A field that the contract does not know is refused; its name may be anybody's text."""
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
def test_anything_else_is_no_job(payload: object) -> None:
    """Broken JSON, other types, bottomless nesting and long payloads end in the same error."""
    with pytest.raises(BadJobError, match=r"^not a job"):
        Job.from_json(payload)


@given(payload=st.text() | st.recursive(st.none() | st.text(), st.lists).map(json.dumps))
def test_no_payload_does_anything_but_be_refused(payload: str) -> None:
    """Whatever stands in Redis, reading it ends in a job or in `BadJobError`."""
    with pytest.raises(BadJobError):
        Job.from_json(payload)


def test_a_long_payload_is_measured_in_bytes() -> None:
    """The limit counts bytes, so that characters of several bytes do not slip through."""
    wide = json.dumps(
        job_fields(turns=[{"speaker": "user", "text": "é" * (MAX_JOB_BYTES // 2), "ts": "1.5"}]),
        ensure_ascii=False,
    )

    assert len(wide) < MAX_JOB_BYTES
    with pytest.raises(BadJobError, match="longer than"):
        Job.from_json(wide)


def test_an_error_of_a_thousand_faults_is_short() -> None:
    """A payload full of wrong turns does not fill the log."""
    with pytest.raises(BadJobError) as refused:
        Job.from_json(json.dumps(job_fields(turns=[{} for _ in range(1000)])))

    assert len(str(refused.value)) < 300


def test_a_job_never_changes() -> None:
    """A job is a value."""
    with pytest.raises(ValidationError):
        Job.model_validate(job_fields()).ts = "2.0"
