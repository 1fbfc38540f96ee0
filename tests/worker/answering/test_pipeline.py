"""Answer pipeline with a real engine: errors that end a job with a message in its thread."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from contract import keys
from contract.answers import Answer
from testing.reply_harness import ReplyHarness
from testing.worker_harness import reply_text
from worker.answering.attempt import AttemptLimits
from worker.answering.generator import GenerationSettings, Generator
from worker.answering.pipeline import (
    MAX_RECOVERIES,
    MAX_RECOVERIES_IN_ALL,
    AnswerPipeline,
)
from worker.answering.publishing.reply_layout import MAX_DEATHS_BEFORE_LAYOUT, LayoutKind
from worker.answering.served_models import ServedModels
from worker.engine.client import EngineClient
from worker.engine.protocol import EngineConfig
from worker.errors import DeadlineExceededError, ModelFailedError, ReplyNotPostedError
from worker.failpoints import Failpoints
from worker.jobs.job_context import JobContext, Outcome
from worker.jobs.job_state import ANSWER_RECOVERIES, LAYOUT_KIND
from worker.jobs.leases import RECOVERY_COUNT
from worker.metrics import Metrics
from worker.render.texts import SHOWN_AS_PLAIN_TEXT
from worker.slack.reply_message import ReplyMessage

MAX_ATTEMPTS = 3


@pytest.fixture
async def generator(model: str, forked_engines: None) -> AsyncIterator[Generator]:
    """A generator with its model loaded."""
    engine = EngineClient(EngineConfig(model=model, slots=1, threads=1))
    generator = Generator(
        engine,
        GenerationSettings(max_new_tokens=100, temperature=0, top_k=0, top_p=1, system_prompt=""),
    )
    await generator.wait_for_model()
    yield generator
    await engine.shut_down()


def build_pipeline(
    reply: ReplyHarness, generator: Generator, message: ReplyMessage, deadline_seconds: float
) -> AnswerPipeline:
    """Return a pipeline that answers in `message`."""
    return AnswerPipeline(
        ServedModels(generator),
        reply.open_sources(),
        lambda _: message,
        AttemptLimits(MAX_ATTEMPTS, deadline_seconds),
        Metrics(),
        failpoints=Failpoints(),
    )


async def test_deadline_before_the_first_token_posts_an_error_once(
    reply: ReplyHarness, generator: Generator
) -> None:
    """The error replaces the placeholder, nothing is cached, and the job is over."""
    message = await reply.take_job()
    # A negative age: the question may still wait for a slot, but its generation may not start.
    context = JobContext(reply.job, reply.state.lease, age_seconds=-60.0)
    pipeline = build_pipeline(reply, generator, message, deadline_seconds=0.0)

    outcome = await pipeline.run(context)

    assert outcome is Outcome.ERROR_POSTED
    [shown] = reply.visible_messages
    assert str(DeadlineExceededError.user_message) in shown["text"]
    thread = reply.job.thread
    progress = await reply.state.load_progress()
    assert (progress.outcome, progress.answer, progress.attempts) == (outcome, None, 1)
    assert not await reply.client.exists(keys.answer_cache(thread.team, thread.channel, thread.ts))
    assert await pipeline.run(context) is Outcome.ERROR_POSTED, "a second run changes nothing"
    assert len(reply.visible_messages) == 1


async def test_question_older_than_its_deadline_posts_an_error(
    reply: ReplyHarness, generator: Generator
) -> None:
    """It gets no slot, and no attempt is counted."""
    message = await reply.take_job()
    context = JobContext(reply.job, reply.state.lease, age_seconds=60.0)

    outcome = await build_pipeline(reply, generator, message, 30.0).run(context)

    assert outcome is Outcome.ERROR_POSTED
    [shown] = reply.visible_messages
    assert str(DeadlineExceededError.user_message) in shown["text"]
    assert (await reply.state.load_progress()).attempts == 0


async def test_job_without_attempts_left_posts_an_error(
    reply: ReplyHarness, generator: Generator
) -> None:
    """The worker does not generate for a job that has crashed its workers."""
    message = await reply.take_job()
    await reply.client.hset(reply.job_key, keys.ATTEMPTS, str(MAX_ATTEMPTS))
    context = JobContext(reply.job, reply.state.lease, age_seconds=0.0)

    outcome = await build_pipeline(reply, generator, message, 60.0).run(context)

    assert outcome is Outcome.ERROR_POSTED
    [shown] = reply.visible_messages
    assert str(ModelFailedError.user_message) in shown["text"]
    assert (await reply.state.load_progress()).attempts == MAX_ATTEMPTS


@pytest.fixture
def idle_generator() -> Generator:
    """A generator whose engine was never started: a saved answer needs none."""
    return Generator(
        EngineClient(EngineConfig(model="unused", slots=1, threads=1)),
        GenerationSettings(max_new_tokens=1, temperature=0, top_k=0, top_p=1, system_prompt=""),
    )


async def run_with_saved_answer(
    reply: ReplyHarness, generator: Generator, recoveries: int, **fields: str
) -> Outcome:
    """Run a job whose answer is saved, after so many deaths of its workers."""
    message = await reply.take_job()
    saved: dict[Any, Any] = {
        keys.ANSWER: "A **saved** answer.",
        "starchat_answer_facts": '{"model":"m","finish_reason":"stop","max_new_tokens":9}',
        ANSWER_RECOVERIES: "1",
        RECOVERY_COUNT: str(1 + recoveries),
        **fields,
    }
    await reply.client.hset(reply.job_key, mapping=saved)
    context = JobContext(reply.job, reply.state.lease, age_seconds=0.0)
    return await build_pipeline(reply, generator, message, 60.0).run(context)


@pytest.mark.parametrize(
    ("deaths", "recorded", "kind"),
    [
        (MAX_DEATHS_BEFORE_LAYOUT - 1, {}, LayoutKind.MARKDOWN),
        (MAX_DEATHS_BEFORE_LAYOUT, {}, LayoutKind.PLAIN),
        (MAX_DEATHS_BEFORE_LAYOUT, {LAYOUT_KIND: "markdown"}, LayoutKind.MARKDOWN),
    ],
)
async def test_layout_that_killed_its_workers_becomes_plain_text(
    reply: ReplyHarness,
    idle_generator: Generator,
    deaths: int,
    recorded: dict[str, str],
    kind: LayoutKind,
) -> None:
    """A layout that succeeded once is repeated; one that never did is replaced."""
    outcome = await run_with_saved_answer(reply, idle_generator, deaths, **recorded)

    assert outcome is Outcome.ANSWERED
    assert await reply.state.read_field(LAYOUT_KIND) == kind
    assert (str(SHOWN_AS_PLAIN_TEXT) in str(reply.visible_messages)) == (kind is LayoutKind.PLAIN)
    assert len([m for m in reply.visible_messages if m.get("files")]) == (kind is LayoutKind.PLAIN)


async def test_saved_answer_that_cannot_be_posted_ends_in_an_error(
    reply: ReplyHarness, idle_generator: Generator
) -> None:
    """The deaths of workers are bounded after the generation, too."""
    outcome = await run_with_saved_answer(reply, idle_generator, MAX_RECOVERIES)

    assert outcome is Outcome.ERROR_POSTED
    [shown] = reply.visible_messages
    assert str(ReplyNotPostedError.user_message) in shown["text"]


async def test_job_whose_error_cannot_be_posted_is_given_up(
    reply: ReplyHarness, idle_generator: Generator
) -> None:
    """The last bound needs nothing that could kill another worker."""
    outcome = await run_with_saved_answer(reply, idle_generator, MAX_RECOVERIES_IN_ALL)

    assert outcome is Outcome.UNSENT
    assert reply.visible_messages == []


async def test_known_answer_is_published_whole_and_not_generated(
    reply: ReplyHarness, generator: Generator
) -> None:
    """The bot gives a job the answer that a person shares: all parts and files are there."""
    paragraphs = [f"Paragraph {number}: {'words ' * 150}".strip() for number in range(12)]
    code = "\n".join(f"line_{number} = {number}" for number in range(2_000))
    text = "\n\n".join([*paragraphs, f"```python\n{code}\n```", "The end."])
    message = await reply.take_job()
    answer = Answer(text=text, reply_id="0a", details="{}")
    for field, value in answer.to_job_fields().items():
        await reply.client.hset(reply.job_key, field, value)
    context = JobContext(reply.job, reply.state.lease, age_seconds=0.0)

    outcome = await build_pipeline(reply, generator, message, 60.0).run(context)

    assert outcome is Outcome.ANSWERED
    progress = await reply.state.load_progress()
    assert (progress.attempts, progress.answer) == (0, text)
    shown = reply.visible_messages
    assert len(shown) > 2
    # A paragraph may be split between two messages, or be the text of a file.
    texts = [reply_text(shown), *(one["text"] for one in shown)]
    words = "".join("".join(texts).split())
    paragraphs.append("The end.")
    assert [one for one in paragraphs if "".join(one.split()) not in words] == []
    [file] = [file for one in shown for file in one.get("files", ())]
    assert file["size"] == len(f"{code}\n")
