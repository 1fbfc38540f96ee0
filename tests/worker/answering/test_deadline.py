"""A reply whose time is up before its first token: its reader is told, once."""

from collections.abc import AsyncIterator

import pytest

from contract import keys
from testing.reply_harness import ReplyHarness
from worker.answering.answer_cache import AnswerCache
from worker.answering.attempt import AttemptLimits
from worker.answering.generator import GenerationSettings, Generator
from worker.answering.pipeline import AnswerPipeline
from worker.engine.client import EngineClient
from worker.engine.protocol import EngineConfig
from worker.errors import DeadlineExceededError
from worker.failpoints import Failpoints
from worker.jobs.job_context import JobContext, Outcome
from worker.metrics import Metrics

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def generation(model: str) -> AsyncIterator[Generator]:
    """A model that is ready."""
    engine = EngineClient(EngineConfig(model=model, slots=1, threads=1))
    generation = Generator(
        engine,
        GenerationSettings(max_new_tokens=100, temperature=0, top_k=0, top_p=1, system_prompt=""),
    )
    await generation.wait_for_model()
    yield generation
    await engine.shut_down()


async def test_a_reply_without_a_single_token_says_that_time_was_up(
    post: ReplyHarness, generation: Generator
) -> None:
    """One sentence in place of the placeholder, nothing remembered, and the job is over."""
    posting = await post.take_job()
    # The question may still wait for a slot, but its reply is cut as soon as it has one.
    task = JobContext(post.job, post.ledger.lease, age_seconds=-60.0)
    memory = AnswerCache(post.client)
    answering = AnswerPipeline(
        generation,
        memory,
        lambda _: posting,
        AttemptLimits(3, 0.0),
        Metrics(),
        failpoints=Failpoints(),
    )

    outcome = await answering.run(task)

    assert outcome is Outcome.ERROR_POSTED
    [shown] = post.visible_messages
    assert DeadlineExceededError().user_message in shown["text"]
    thread = post.job.thread
    entry = await post.ledger.load_progress()
    assert (entry.outcome, entry.answer, entry.attempts) == (Outcome.ERROR_POSTED, None, 1)
    assert not await post.client.exists(keys.answer_cache(thread.team, thread.channel, thread.ts))
    assert await answering.run(task) is Outcome.ERROR_POSTED, "and it stays so"
    assert len(post.visible_messages) == 1
