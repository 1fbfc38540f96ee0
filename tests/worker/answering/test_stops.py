"""Stops by people: a job that was stopped generates no more, and its reply names the person."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from contract import keys
from contract.language import Language
from contract.stop import StopRecord
from testing.reply_harness import ReplyHarness
from testing.scripted_engine import ScriptedEngine
from testing.tokenizers import write_starchat_tokenizer
from testing.worker_harness import context_text, reply_text
from worker import render
from worker.answering.attempt import AttemptLimits
from worker.answering.generator import GenerationSettings, Generator
from worker.answering.pipeline import MAX_RECOVERIES, AnswerPipeline
from worker.answering.served_models import ServedModels
from worker.engine import EngineEvent, Finished, FinishReason, Request
from worker.failpoints import Failpoints
from worker.jobs.job_context import JobContext, Outcome
from worker.jobs.leases import RECOVERY_COUNT
from worker.metrics import Metrics

RECORD = StopRecord(user="U0ADA00001", name="Ada").to_json()
TEXT = "Use a mutex, and hold it for as short a time as you can."


@dataclass
class HeldEngine(ScriptedEngine):
    """An engine that holds its last token until the request is aborted."""

    has_text: asyncio.Event = field(default_factory=asyncio.Event)
    has_aborted: asyncio.Event = field(default_factory=asyncio.Event)

    async def generate(self, request: Request) -> AsyncGenerator[EngineEvent]:
        """Yield the ids of the text, and end after the abort."""
        async for event in super().generate(request):
            if not isinstance(event, Finished):
                yield event
                continue
            self.has_text.set()
            await self.has_aborted.wait()
            yield Finished(FinishReason.STOPPED, event.prompt_tokens, event.new_tokens)

    def abort_request(self, request_id: str) -> None:
        """End the request."""
        self.has_aborted.set()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with StarChat's tokenizer."""
    return write_starchat_tokenizer(tmp_path_factory.mktemp("starchat"))


async def build_run(
    reply: ReplyHarness, engine: ScriptedEngine
) -> tuple[AnswerPipeline, JobContext]:
    """Return a pipeline for the job, and a new execution of it."""
    message = await reply.take_job()
    settings = GenerationSettings(
        max_new_tokens=400, temperature=0, top_k=0, top_p=1, system_prompt=""
    )
    pipeline = AnswerPipeline(
        ServedModels(Generator(engine, settings)),
        reply.open_sources(),
        lambda _: message,
        AttemptLimits(max_attempts=3, deadline_seconds=600.0),
        Metrics(),
        failpoints=Failpoints(),
    )
    return pipeline, JobContext(reply.job, reply.state.lease, age_seconds=0.0)


async def test_running_reply_keeps_its_text_and_names_the_person(
    reply: ReplyHarness, directory: Path
) -> None:
    """The number of tokens is that of the engine; the button is gone."""
    engine = HeldEngine(directory, TEXT)
    pipeline, context = await build_run(reply, engine)
    running = asyncio.create_task(pipeline.run(context))
    await engine.has_text.wait()
    shown = await reply.wait_for_messages(lambda messages: "mutex" in str(messages))
    assert "stop_reply" in str(shown)
    await reply.client.hset(reply.job_key, keys.STOPPED_BY, RECORD)
    context.stopped.set()

    assert await running is Outcome.STOPPED
    assert reply_text(reply.visible_messages).strip() == TEXT
    notes = context_text(reply.visible_messages)
    assert f"Stopped by Ada after {engine.generated_tokens} tokens." in notes
    assert "stop_reply" not in str(reply.visible_messages)


@pytest.mark.parametrize("recoveries", [0, MAX_RECOVERIES])
async def test_stopped_job_of_a_dead_worker_is_not_generated(
    reply: ReplyHarness, directory: Path, recoveries: int
) -> None:
    """The next execution reads the record, and asks the engine for nothing."""
    engine = ScriptedEngine(directory, TEXT)
    pipeline, context = await build_run(reply, engine)
    await reply.client.hset(
        reply.job_key,
        mapping={keys.STOPPED_BY: RECORD, RECOVERY_COUNT: str(recoveries), keys.ATTEMPTS: "1"},
    )

    assert await pipeline.run(context) is Outcome.STOPPED
    assert (engine.generated_tokens, engine.aborted) == (0, 0)
    assert context_text(reply.visible_messages) == "Stopped by Ada."


async def test_text_of_a_dead_worker_stays(reply: ReplyHarness, directory: Path) -> None:
    """Readers keep what they saw; the button goes."""
    message = await reply.open_reply()
    await message.update_text(render.compose_growing("Use a mutex, and hold", Language.ENGLISH))
    pipeline, context = await build_run(reply, ScriptedEngine(directory, TEXT))
    await reply.client.hset(
        reply.job_key, mapping={keys.STOPPED_BY: RECORD, RECOVERY_COUNT: "1", keys.ATTEMPTS: "1"}
    )

    assert await pipeline.run(context) is Outcome.STOPPED
    assert reply_text(reply.visible_messages).strip() == "Use a mutex, and hold"
    assert context_text(reply.visible_messages) == "Stopped by Ada."
    assert "stop_reply" not in str(reply.visible_messages)


async def test_stop_after_the_last_token_changes_nothing(
    reply: ReplyHarness, directory: Path
) -> None:
    """The reply is whole, so no note says that it was stopped."""
    engine = ScriptedEngine(directory, TEXT)
    pipeline, context = await build_run(reply, engine)
    write_fields = reply.state.write_fields

    async def stop_before_saving(fields: dict[str, str], revision: str = "") -> None:
        if keys.ANSWER in fields:
            await reply.client.hset(reply.job_key, keys.STOPPED_BY, RECORD)
            context.stopped.set()
        await write_fields(fields, revision)

    reply.state.write_fields = stop_before_saving  # type: ignore[method-assign]
    await pipeline.run(context)

    assert reply_text(reply.visible_messages).strip() == TEXT
    assert "Stopped" not in context_text(reply.visible_messages)


async def test_malformed_record_still_stops(reply: ReplyHarness, directory: Path) -> None:
    """Redis may hold anything."""
    engine = ScriptedEngine(directory, TEXT)
    pipeline, context = await build_run(reply, engine)
    await reply.client.hset(reply.job_key, keys.STOPPED_BY, '{"user": "<!channel>"}')

    assert await pipeline.run(context) is Outcome.STOPPED
    assert engine.generated_tokens == 0
    assert context_text(reply.visible_messages) == "Stopped by an administrator."
