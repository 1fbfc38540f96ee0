"""Continuations: a reply that was cut goes further by its ids, as the same turn."""

from pathlib import Path

import pytest

from contract.rework import ReworkKind
from contract.stop import StopRecord
from testing.reply_harness import ReplyHarness
from testing.rework_harness import RaisingFailpoints, ReworkHarness
from testing.tokenizers import write_starchat_tokenizer
from testing.worker_harness import context_text, reply_text
from worker.answering.publishing.finished_answer import FinishedAnswer
from worker.errors import ContextFullError
from worker.failpoints import Failpoint
from worker.jobs.job_context import Outcome
from worker.prompt.tokenizer import Tokenizer
from worker.render import ReplyFacts

CODE = "".join(f'value_{n} = "{n * n} größe 日本 👩‍💻"\n' for n in range(8))
TEXT = f"Here it is:\n\n```python\n{CODE}```\n\nThat is all."
LIMIT = 50


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with StarChat's tokenizer."""
    return write_starchat_tokenizer(tmp_path_factory.mktemp("starchat"))


def find_code(reply: ReplyHarness) -> str:
    """Return the code in the reply's one block of code."""
    [message] = reply.visible_messages
    [code] = [
        "".join(part["text"] for part in element["elements"])
        for block in message["blocks"]
        if block["type"] == "rich_text"
        for element in block["elements"]
        if element["type"] == "rich_text_preformatted"
    ]
    return code


@pytest.mark.parametrize("limit", [LIMIT, LIMIT + 1, LIMIT + 3, LIMIT + 7])
async def test_cut_reply_is_joined_byte_for_byte(
    reply: ReplyHarness, directory: Path, limit: int
) -> None:
    """The fence is open and a character may be cut; each prompt is the old one with the ids."""
    harness = ReworkHarness(reply, directory, TEXT, limit)
    ids = tuple(Tokenizer.from_checkpoint(directory).encode(TEXT))
    await harness.ask()
    first, rounds = reply.visible_messages[0]["ts"], 1
    while "Continue" in harness.list_buttons():
        assert await harness.rework(ReworkKind.CONTINUE) is Outcome.ANSWERED
        rounds += 1
        request = harness.engine.requests[-1]
        generated = ids[: limit * (rounds - 1)]
        assert request.prompt == harness.engine.requests[0].prompt + generated

    assert rounds == -(-len(ids) // limit)
    assert find_code(reply) == CODE.rstrip("\n")
    assert "That is all." in reply_text(reply.visible_messages)
    assert reply.visible_messages[0]["ts"] == first
    present, previous = await harness.read_versions()
    assert present is not None
    assert (present.text, previous, present.is_cut) == (TEXT, None, False)


async def test_continued_reply_is_one_turn_of_the_next_prompt(
    reply: ReplyHarness, directory: Path
) -> None:
    """Nothing is answered again: the cache has one answer, with all of its ids."""
    harness = ReworkHarness(reply, directory, "one two three four five six", limit=3)
    await harness.ask()
    await harness.rework(ReworkKind.CONTINUE)
    present, _ = await harness.read_versions()
    assert present is not None
    stored = FinishedAnswer.from_stored_answer(reply.job, present)
    assert stored.details.new_tokens == len(present.token_ids) == 6
    assert stored.facts.max_new_tokens == 6
    assert not stored.details.is_reproducible


@pytest.mark.parametrize(
    "point",
    [
        Failpoint.GENERATING,
        Failpoint.BEFORE_ANSWER_SAVED,
        Failpoint.AFTER_ANSWER_SAVED,
        Failpoint.AFTER_FINAL,
    ],
)
async def test_kill_at_each_step_keeps_the_turn_whole(
    reply: ReplyHarness, directory: Path, point: Failpoint
) -> None:
    """The next execution ends with the same text, which can go further."""
    harness = ReworkHarness(reply, directory, TEXT, LIMIT)
    ids = Tokenizer.from_checkpoint(directory).encode(TEXT)
    await harness.ask()
    assert await harness.rework(ReworkKind.CONTINUE, RaisingFailpoints(point)) is Outcome.ANSWERED

    present, _ = await harness.read_versions()
    assert present is not None
    assert present.cut_ids == tuple(ids[: 2 * LIMIT])
    assert harness.list_buttons() == ["Regenerate", "Continue", "Details"]
    assert harness.list_states() == ["final"]


async def test_full_context_leaves_out_the_oldest_turns(
    reply: ReplyHarness, directory: Path
) -> None:
    """The reply keeps its ids; the oldest question makes room."""
    harness = ReworkHarness(reply, directory, TEXT, LIMIT)
    old = reply.job.question.model_copy(update={"text": "word " * 3_000, "ts": "0.5", "name": None})
    answer = old.model_copy(
        update={"speaker": "assistant", "text": "Yes.", "ts": "0.6", "in_reply_to": "0.5"}
    )
    reply.job = reply.job.model_copy(update={"turns": (old, answer, *reply.job.turns)})
    await harness.ask()
    full = harness.engine.requests[0].prompt
    harness.resize_context(len(full) + LIMIT + 8)
    assert await harness.rework(ReworkKind.CONTINUE) is Outcome.ANSWERED
    request = harness.engine.requests[-1]
    ids = tuple(Tokenizer.from_checkpoint(directory).encode(TEXT))
    assert request.prompt[-LIMIT:] == ids[:LIMIT]
    assert len(request.prompt) < len(full)
    harness.resize_context(LIMIT + 20)
    assert await harness.rework(ReworkKind.CONTINUE) is Outcome.RESTORED
    assert str(ContextFullError.user_message) in context_text(reply.visible_messages)


async def test_reply_that_a_person_stopped_can_go_further(
    reply: ReplyHarness, directory: Path
) -> None:
    """So can one that the time limit cut; one that the model ended cannot."""
    harness = ReworkHarness(reply, directory, "one two three")
    await harness.ask()
    assert "Continue" not in harness.list_buttons()
    present, _ = await harness.read_versions()
    assert present is not None
    name = str(
        StopRecord(user=reply.job.user, name="Ada").label_for(reply.job.user, reply.job.user)
    )
    facts = ReplyFacts("scripted", "stopped", 9, stopped_by=name, new_tokens=2)
    cut = present.model_copy(update={"prompt_ids": (1,), "cut_ids": (2, 3)})
    assert FinishedAnswer(cut, facts).is_cut
