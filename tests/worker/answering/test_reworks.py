"""Work on a finished reply: in place, with the earlier version kept, and never at its cost."""

from pathlib import Path

import pytest

from contract import keys
from contract.rework import ReworkKind
from contract.stop import StopRecord
from testing.reply_harness import ReplyHarness
from testing.rework_harness import RaisingFailpoints, ReworkHarness
from testing.tokenizers import write_starchat_tokenizer
from testing.worker_harness import context_text, reply_text
from worker.answering.publishing.finished_answer import parse_details
from worker.errors import ModelFailedError, PromptChangedError, VersionGoneError
from worker.failpoints import Failpoint
from worker.jobs.job_context import Outcome
from worker.render import texts

FIRST = "Use a mutex, and hold it for as short a time as you can."
SECOND = "A semaphore counts; a mutex has one owner."
LONG = "".join(f"Number {n}.\n\n" for n in range(220))
"""Two messages, and few tokens in StarChat's own tokenizer and in its stand-in, as `CODE`."""
CODE = "```python\n" + "".join(f"v = {n * n}, '{'return ' * 13}'\n" for n in range(95)) + "```\n"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with StarChat's tokenizer."""
    return write_starchat_tokenizer(tmp_path_factory.mktemp("starchat"))


@pytest.fixture
def harness_of(reply: ReplyHarness, directory: Path) -> ReworkHarness:
    """A question that the engine answers with `FIRST`."""
    return ReworkHarness(reply, directory, FIRST)


async def test_regenerated_reply_replaces_the_first_and_previous_brings_it_back(
    harness_of: ReworkHarness,
) -> None:
    """In the same message, with another seed; pressed twice, `Previous` changes nothing."""
    reply = harness_of.reply
    assert await harness_of.ask() is Outcome.ANSWERED
    assert harness_of.list_buttons() == ["Regenerate", "Details"]
    [message] = reply.visible_messages
    harness_of.engine.text = SECOND
    assert await harness_of.rework(ReworkKind.REGENERATE) is Outcome.ANSWERED

    [regenerated] = reply.visible_messages
    assert regenerated["ts"] == message["ts"]
    assert reply_text([regenerated]).strip() == SECOND
    assert harness_of.list_buttons() == ["Regenerate", "Previous", "Details"]
    one, other = (request.sampling.seed for request in harness_of.engine.requests)
    assert one != other
    for expected in (FIRST, SECOND, FIRST):
        assert await harness_of.rework(ReworkKind.PREVIOUS) is Outcome.ANSWERED
        assert reply_text(reply.visible_messages).strip() == expected
        present, previous = await harness_of.read_versions()
        assert present is not None
        assert previous is not None
        assert {present.text, previous.text} == {FIRST, SECOND}
    assert len(harness_of.engine.requests) == 2


@pytest.mark.parametrize("kind", [ReworkKind.REGENERATE, ReworkKind.PREVIOUS])
async def test_repeated_execution_changes_nothing(
    harness_of: ReworkHarness, kind: ReworkKind
) -> None:
    """Its worker died after the last step: the version before stays the version before."""
    await harness_of.ask()
    harness_of.engine.text = SECOND
    await harness_of.rework(ReworkKind.REGENERATE)
    await harness_of.rework(kind)
    before = await harness_of.read_versions()
    buttons = harness_of.list_buttons()
    assert await harness_of.repeat() is Outcome.ANSWERED

    assert await harness_of.read_versions() == before
    assert harness_of.list_buttons() == buttons
    assert len(harness_of.reply.visible_messages) == 1


async def test_details_name_the_seed_of_the_request(harness_of: ReworkHarness) -> None:
    """A fresh reply has an explicit seed, which its details keep."""
    await harness_of.ask()
    present, _ = await harness_of.read_versions()
    assert present is not None
    details = parse_details(present.details)
    [request] = harness_of.engine.requests
    assert details.seed == request.sampling.seed
    assert details.prompt_tokens == len(request.prompt)
    assert details.reply_id == present.reply_id


@pytest.mark.parametrize("text", [LONG, CODE])
async def test_surplus_parts_and_files_are_deleted(
    reply: ReplyHarness, directory: Path, text: str
) -> None:
    """A shorter version has one message; the longer one comes back whole."""
    harness = ReworkHarness(reply, directory, text, limit=8_000)
    await harness.ask()
    before = reply.visible_messages
    assert len(before) > 1
    harness.engine.text = SECOND
    await harness.rework(ReworkKind.REGENERATE)

    assert [m["ts"] for m in reply.visible_messages] == [before[0]["ts"]]
    await harness.rework(ReworkKind.PREVIOUS)
    after = reply.visible_messages
    assert len(after) == len(before)
    assert reply_text(after) == reply_text(before)
    await harness.rework(ReworkKind.PREVIOUS)
    assert [m["ts"] for m in reply.visible_messages] == [before[0]["ts"]]


@pytest.mark.parametrize("text", [FIRST, LONG, CODE])
async def test_failed_regeneration_brings_the_reply_back(
    reply: ReplyHarness, directory: Path, text: str
) -> None:
    """With a sentence why, with all parts and with its controls."""
    harness = ReworkHarness(reply, directory, text, limit=8_000)
    await harness.ask()
    before = reply.visible_messages
    harness.engine.is_broken = True
    assert await harness.rework(ReworkKind.REGENERATE) is Outcome.RESTORED

    after = reply.visible_messages
    assert reply_text(after) == reply_text(before)
    assert len(after) == len(before)
    assert f"{ModelFailedError.user_message} {texts.REPLY_RESTORED}" in context_text(after)
    assert set(harness.list_states()) == {"final"}
    assert harness.list_buttons() == ["Regenerate", "Details"]


async def test_regeneration_that_is_stopped_at_once_brings_the_reply_back(
    harness_of: ReworkHarness,
) -> None:
    """No request is made, and the person is named."""
    await harness_of.ask()
    record = StopRecord(user=harness_of.reply.job.user, name="Ada").to_json()
    outcome = await harness_of.rework(ReworkKind.REGENERATE, fields={keys.STOPPED_BY: record})

    assert outcome is Outcome.STOPPED
    assert reply_text(harness_of.reply.visible_messages).strip() == FIRST
    notes = context_text(harness_of.reply.visible_messages)
    assert f"Stopped by Ada. {texts.REPLY_RESTORED}" in notes
    assert len(harness_of.engine.requests) == 1


async def test_reply_that_was_forgotten_stays_untouched(harness_of: ReworkHarness) -> None:
    """It could not be brought back, so it is not replaced."""
    await harness_of.ask()
    before = harness_of.reply.visible_messages
    thread = harness_of.reply.job.thread
    await harness_of.reply.client.delete(keys.answer_cache(thread.team, thread.channel, thread.ts))
    for kind in set(ReworkKind) - {ReworkKind.ANYWAY}:
        assert await harness_of.rework(kind) is Outcome.ABANDONED
    assert harness_of.reply.visible_messages == before


async def test_version_before_is_gone(harness_of: ReworkHarness) -> None:
    """The present one stays, with a sentence."""
    await harness_of.ask()
    assert await harness_of.rework(ReworkKind.PREVIOUS) is Outcome.RESTORED
    assert reply_text(harness_of.reply.visible_messages).strip() == FIRST
    assert str(VersionGoneError.user_message) in context_text(harness_of.reply.visible_messages)


async def test_replay_says_whether_the_text_is_the_same(harness_of: ReworkHarness) -> None:
    """The request has the same prompt, seed and sampling."""
    await harness_of.ask()
    await harness_of.rework(ReworkKind.REPLAY)
    first, replayed = harness_of.engine.requests
    assert (first.prompt, first.sampling) == (replayed.prompt, replayed.sampling)
    assert str(texts.REPLAYED_SAME) in context_text(harness_of.reply.visible_messages)
    assert harness_of.list_buttons() == ["Regenerate", "Details"]
    harness_of.engine.text = SECOND
    await harness_of.rework(ReworkKind.REPLAY)
    assert str(texts.REPLAYED_DIFFERENT) in context_text(harness_of.reply.visible_messages)
    assert "Previous" in harness_of.list_buttons()


async def test_replay_of_another_thread_is_refused(harness_of: ReworkHarness) -> None:
    """The reply stays, with a sentence."""
    await harness_of.ask()
    job = harness_of.reply.job
    edited = job.question.model_copy(update={"text": "What is a lock?"})
    harness_of.reply.job = job.model_copy(update={"turns": (edited,)})
    assert await harness_of.rework(ReworkKind.REPLAY) is Outcome.RESTORED
    notes = context_text(harness_of.reply.visible_messages)
    assert str(PromptChangedError.user_message) in notes


KILLS = [
    *((ReworkKind.REGENERATE, point) for point in (
        Failpoint.AFTER_SURPLUS_DELETED,
        Failpoint.GENERATING,
        Failpoint.BEFORE_ANSWER_SAVED,
        Failpoint.AFTER_ANSWER_SAVED,
        Failpoint.AFTER_FINAL,
    )),
    (ReworkKind.PREVIOUS, Failpoint.AFTER_SURPLUS_DELETED),
    (ReworkKind.PREVIOUS, Failpoint.AFTER_FINAL),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "point"), KILLS)
async def test_kill_at_each_step_loses_and_doubles_nothing(
    reply: ReplyHarness, directory: Path, kind: ReworkKind, point: Failpoint
) -> None:
    """The next execution ends with one reply, and with the other version before it."""
    harness = ReworkHarness(reply, directory, LONG, limit=8_000)
    await harness.ask()
    parts = len(reply.visible_messages)
    harness.engine.text = SECOND
    if kind is ReworkKind.PREVIOUS:
        await harness.rework(ReworkKind.REGENERATE)
    assert await harness.rework(kind, RaisingFailpoints(point)) is Outcome.ANSWERED

    present, previous = await harness.read_versions()
    assert present is not None
    assert previous is not None
    expected = (SECOND, LONG) if kind is ReworkKind.REGENERATE else (LONG, SECOND)
    assert (present.text.strip(), previous.text.strip()) == tuple(e.strip() for e in expected)
    assert len(reply.visible_messages) == (1 if kind is ReworkKind.REGENERATE else parts)
    assert set(harness.list_states()) == {"final"}
