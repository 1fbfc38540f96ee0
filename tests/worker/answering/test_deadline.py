"""A reply whose time is up before its first token: its reader is told, once."""

from collections.abc import AsyncIterator

import pytest

from contract import keys
from testing.reply_harness import ReplyHarness
from worker.answering.answer_cache import Memory
from worker.answering.generator import Generation, Wishes
from worker.answering.pipeline import Answering
from worker.engine.client import EngineClient
from worker.engine.options import EngineConfig
from worker.errors import OutOfTimeError
from worker.failpoints import Faults
from worker.jobs.task import Limits, Outcome, Task
from worker.metrics import Metrics


@pytest.fixture
async def generation(model: str) -> AsyncIterator[Generation]:
    """A model that is ready."""
    engine = EngineClient(EngineConfig(model=model, slots=1, threads=1))
    generation = Generation(
        engine, Wishes(new_tokens=100, temperature=0, top_k=0, top_p=1, system="")
    )
    await generation.room()
    yield generation
    await engine.shut_down()


async def test_a_reply_without_a_single_token_says_that_time_was_up(
    post: ReplyHarness, generation: Generation
) -> None:
    """One sentence in place of the placeholder, nothing remembered, and the job is over."""
    posting = await post.take_job()
    # The question may still wait for a slot, but its reply is cut as soon as it has one.
    task = Task(post.job, post.ledger, age=-60.0)
    memory = Memory(post.client)
    answering = Answering(
        generation, memory, lambda _: posting, Limits(3, 0.0), Metrics(), faults=Faults()
    )

    outcome = await answering.answer(task)

    assert outcome is Outcome.REFUSED
    [shown] = post.visible_messages
    assert OutOfTimeError().sentence in shown["text"]
    thread = post.job.thread
    entry = await post.ledger.read()
    assert (entry.posted, entry.answer, entry.attempts) == (Outcome.REFUSED, None, 1)
    assert not await post.client.exists(keys.answer_cache(thread.team, thread.channel, thread.ts))
    assert await answering.answer(task) is Outcome.REFUSED, "and it stays so"
    assert len(post.visible_messages) == 1
