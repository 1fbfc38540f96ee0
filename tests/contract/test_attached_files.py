"""References to files: a job carries a bounded number of them, and nothing unexpected."""

import pytest
from pydantic import ValidationError

from contract.attached_files import MAX_FILES_PER_THREAD, CachedFile, FileReference
from contract.conversation import Speaker, Turn
from contract.job import BadJobError, Job
from testing.queue_inspector import make_job


def refer_to(count: int) -> tuple[FileReference, ...]:
    """Return references to different files."""
    return tuple(FileReference(id=f"F{n}", url="https://files.slack.com/a") for n in range(count))


def test_references_survive_a_round_trip() -> None:
    """The worker reads exactly what the bot wrote."""
    job = make_job(1)
    turn = Turn(speaker=Speaker.USER, text="why?", ts="1.5", files=refer_to(3), files_left_out=2)
    job = job.model_copy(update={"turns": (turn,)})

    assert Job.from_json(job.to_json()) == job


def test_job_with_too_many_files_is_rejected() -> None:
    """The bound counts all turns of the thread."""
    files = refer_to(MAX_FILES_PER_THREAD)
    turns = tuple(
        Turn(speaker=Speaker.USER, text="a", ts=f"{n}.5", files=files[: 8 - n]) for n in range(2)
    )
    payload = make_job(1).model_copy(update={"turns": turns}).to_json()

    with pytest.raises(BadJobError):
        Job.from_json(payload)


@pytest.mark.parametrize(
    "odd",
    [
        {"id": "F/1"}, {"id": ""}, {"url": "javascript:alert(1)"}, {"url": "https://a b"},
        {"url": "https://x\\y"}, {"size": -1}, {"name": "n" * 201}, {"mimetype": "a\nb"},
        {"preview": "p" * 4_001}, {"path": "/etc/passwd"},
    ],
    ids=repr,
)  # fmt: skip
def test_odd_reference_is_rejected(odd: dict[str, object]) -> None:
    """Redis may hold anything."""
    with pytest.raises(ValidationError):
        FileReference.model_validate({"id": "F1", **odd})


def test_label_and_kind_are_what_people_know() -> None:
    """A label is one line; a picture holds no text."""
    assert FileReference(id="F1", name="a\nb.py").label == "a b.py"
    assert FileReference(id="F1", title="Notes").label == "Notes"
    assert FileReference(id="F1", mimetype="application/json").may_be_text
    assert not FileReference(id="F1", mimetype="application/pdf").may_be_text


def test_cached_text_survives_a_round_trip() -> None:
    """An entry of another version is none."""
    file = CachedFile(text="a\r\n", is_cut=True)
    assert CachedFile.from_entry(file.model_dump_json().encode()) == file
    assert CachedFile.from_entry(None) is None
    assert CachedFile.from_entry('{"text": 1}') is None
