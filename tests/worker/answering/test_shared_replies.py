"""Identical questions in flight: one generation, and one reply in each thread."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.store.usage_sums import UsageSums
from contract import keys
from contract.answers import Answer
from contract.reply_details import ReplyDetails
from contract.rework import Rework, ReworkKind
from contract.stop import StopRecord
from testing.reply_harness import ReplyHarness
from testing.rework_harness import TOKEN_SECONDS, RecordingEngine
from testing.tokenizers import write_starchat_tokenizer
from testing.worker_harness import context_text, reply_text
from testing.workspace import GENERAL, PYTHON
from worker.answering.attempt import AttemptLimits
from worker.answering.generator import GenerationSettings, Generator
from worker.answering.pipeline import AnswerPipeline
from worker.answering.publishing.finished_answer import parse_details
from worker.answering.served_models import ServedModels
from worker.engine import EngineEvent, EngineLostError, Finished, Request
from worker.failpoints import Failpoints
from worker.jobs.job_context import JobContext, Outcome, RequeueError
from worker.metrics import Metrics
from worker.prompt.tokenizer import Tokenizer

TEXT = "Use a mutex, and hold it for as short a time as you can."
RECORD = StopRecord(user="U0ADA00001", name="Ada").to_json()


@dataclass
class HeldEngine(RecordingEngine):
    """An engine that holds the end of each request until the test lets it end, or fail."""

    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    failures: int = 0
    """Requests that fail instead of their end."""
    num_closed: int = 0
    """Requests that were closed before their end."""

    async def _continue_prompt(self, request: Request) -> AsyncGenerator[EngineEvent]:
        self.num_closed += 1
        async for event in super()._continue_prompt(request):
            if isinstance(event, Finished):
                await self.may_end.wait()
                if self.failures:
                    self.failures -= 1
                    raise EngineLostError
                self.num_closed -= 1
            yield event


class Asker:
    """One thread with the question, and the executions of its job."""

    def __init__(self, reply: ReplyHarness, threads: "Threads") -> None:
        self.reply = reply
        self._threads = threads
        self.context: JobContext

    async def start(self) -> "asyncio.Task[Outcome]":
        """Start an execution of the job."""
        message = await self.reply.take_job()
        pipeline = AnswerPipeline(
            ServedModels(self._threads.generator),
            self.reply.open_sources(),
            lambda _: message,
            AttemptLimits(max_attempts=3, deadline_seconds=600.0),
            self._threads.metrics,
            failpoints=Failpoints(),
        )
        self.context = JobContext(self.reply.job, self.reply.state.lease, age_seconds=0.0)
        return asyncio.create_task(pipeline.run(self.context))

    async def start_and_wait(self) -> "asyncio.Task[Outcome]":
        """Start an execution, and wait until all of its text is in the thread."""
        running = await self.start()
        await self.reply.wait_for_messages(lambda found: "as you can" in reply_text(found))
        return running

    async def stop(self) -> None:
        """Stop the reply as a person."""
        await self.reply.client.hset(self.reply.job_key, keys.STOPPED_BY, RECORD)
        self.context.stopped.set()

    @property
    def text(self) -> str:
        """The reply in the thread."""
        return reply_text(self.reply.visible_messages).strip()

    async def read_answer(self) -> tuple[Answer, ReplyDetails]:
        """Return the answer that Redis keeps, with its details."""
        thread = self.reply.job.thread
        key = keys.answer_cache(thread.team, thread.channel, thread.ts)
        answer = Answer.from_json(await self.reply.client.hget(key, self.reply.job.ts))
        assert answer is not None
        return answer, parse_details(answer.details)


class Threads:
    """Threads in which the same is asked, before one engine with one slot."""

    def __init__(self, reply: ReplyHarness, directory: Path) -> None:
        self._first = reply
        self.engine = HeldEngine(directory, TEXT)
        settings = GenerationSettings(
            max_new_tokens=400, temperature=0.2, top_k=50, top_p=0.95, system_prompt=""
        )
        self.generator = Generator(self.engine, settings)
        self.metrics = Metrics()
        self.tokens = len(Tokenizer.from_checkpoint(directory).encode(TEXT))

    def ask(self, channel: str = GENERAL, *, is_public: bool = False) -> Asker:
        """Ask in a new thread."""
        reply = ReplyHarness(self._first.harness, self._first.client, self._first.web)
        job = reply.harness.post_question("What is a mutex?", channel=channel)
        reply.job = job.model_copy(update={"is_public": is_public})
        return Asker(reply, self)

    def read_metric(self, name: str) -> float | None:
        """Return the value of a metric of the worker."""
        return self.metrics.registry.get_sample_value(name)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with StarChat's tokenizer."""
    return write_starchat_tokenizer(tmp_path_factory.mktemp("starchat"))


@pytest.fixture
def threads(reply: ReplyHarness, directory: Path) -> Threads:
    """No thread has asked yet."""
    return Threads(reply, directory)


async def test_each_thread_has_its_reply_and_the_engine_one_request(threads: Threads) -> None:
    """The records agree, and GPU time, tokens and a slot are counted once."""
    askers = [threads.ask() for _ in range(3)]
    running = [await asker.start_and_wait() for asker in askers]
    assert threads.generator.running_replies == 1
    threads.engine.may_end.set()
    assert await asyncio.gather(*running) == [Outcome.ANSWERED] * 3

    assert len(threads.engine.requests) == 1
    assert [asker.text for asker in askers] == [TEXT] * 3
    answers, details = zip(*[await asker.read_answer() for asker in askers], strict=True)
    assert len({(one.prompt_digest, one.token_ids) for one in answers}) == 1
    assert len({one.reply_id for one in details}) == 3
    seed = threads.engine.requests[0].sampling.seed
    assert [(one.seed, one.new_tokens) for one in details] == [(seed, threads.tokens)] * 3
    assert [one.shared_tokens for one in details] == [0, threads.tokens, threads.tokens]
    gpu_ms = threads.tokens * TOKEN_SECONDS * 1000
    assert [one.gpu_ms for one in details] == [gpu_ms, 0, 0]
    sums = UsageSums(askers[0].reply.harness.redis)
    usage = sums.read_week(keys.team_usage(askers[0].reply.job.thread.team), sums.count_days())
    assert (usage.gpu_ms, usage.replies) == (gpu_ms, 3)
    assert threads.read_metric("starchat_shared_replies_total") == 2
    assert threads.read_metric("starchat_tokens_total") == threads.tokens
    assert threads.read_metric("starchat_gpu_seconds_total") == gpu_ms / 1000


@pytest.mark.parametrize("stopped", [0, 1])
async def test_stop_ends_the_reply_of_its_thread_alone(threads: Threads, stopped: int) -> None:
    """Also that of the thread that asked first."""
    askers = [threads.ask(), threads.ask()]
    running = [await asker.start_and_wait() for asker in askers]
    await askers[stopped].stop()
    assert await running[stopped] is Outcome.STOPPED
    assert not running[1 - stopped].done()
    threads.engine.may_end.set()

    assert await running[1 - stopped] is Outcome.ANSWERED
    note = context_text(askers[stopped].reply.visible_messages)
    assert f"Stopped by Ada after {threads.tokens} tokens." in note
    assert "Stopped" not in context_text(askers[1 - stopped].reply.visible_messages)
    assert (len(threads.engine.requests), threads.engine.num_closed) == (1, 0)


@pytest.mark.parametrize("edited", [0, 1])
async def test_edit_restarts_the_reply_of_its_thread_alone(threads: Threads, edited: int) -> None:
    """The edited question has another prompt, so the next execution has its request."""
    askers = [threads.ask(), threads.ask()]
    running = [await asker.start_and_wait() for asker in askers]
    await askers[edited].reply.client.hset(askers[edited].reply.job_key, keys.REVISION, "1")
    askers[edited].context.edited.set()
    with pytest.raises(RequeueError):
        await running[edited]
    threads.engine.may_end.set()

    assert await running[1 - edited] is Outcome.ANSWERED
    assert askers[1 - edited].text == TEXT
    assert (len(threads.engine.requests), threads.engine.num_closed) == (1, 0)


async def test_request_ends_with_its_last_reply(threads: Threads) -> None:
    """A lost lease ends one reply, a stop the other; the slot is free then."""
    askers = [threads.ask(), threads.ask()]
    lost, running = [await asker.start_and_wait() for asker in askers]
    lost.cancel()
    await asyncio.wait({lost})
    assert threads.generator.running_replies == 1
    await askers[1].stop()

    assert await running is Outcome.STOPPED
    assert (threads.generator.running_replies, threads.engine.num_closed) == (0, 1)


async def test_failed_generation_is_retried_for_each_thread(threads: Threads) -> None:
    """The second attempts share again; the last ones are alone, one after the other."""
    askers = [threads.ask(), threads.ask()]
    threads.engine.failures = 3
    running = [await asker.start_and_wait() for asker in askers]
    threads.engine.may_end.set()
    for task in running:
        with pytest.raises(RequeueError):
            await task
    assert len(threads.engine.requests) == 1
    threads.engine.may_end.clear()
    running = [await asker.start_and_wait() for asker in askers]
    threads.engine.may_end.set()
    for task in running:
        with pytest.raises(RequeueError):
            await task
    assert len(threads.engine.requests) == 2
    threads.engine.failures = 0
    running = [await asker.start() for asker in askers]

    assert await asyncio.gather(*running) == [Outcome.ANSWERED] * 2
    assert [asker.text for asker in askers] == [TEXT] * 2
    assert len(threads.engine.requests) == 4


@pytest.mark.parametrize(("is_public", "num_requests"), [(True, 1), (False, 2)])
async def test_channels_share_if_all_of_the_workspace_can_read_both(
    threads: Threads, num_requests: int, *, is_public: bool
) -> None:
    """Channels that not everybody can read share nothing."""
    threads.engine.slots = 2
    askers = [threads.ask(channel, is_public=is_public) for channel in (GENERAL, PYTHON)]
    running = [await asker.start_and_wait() for asker in askers]
    threads.engine.may_end.set()

    assert await asyncio.gather(*running) == [Outcome.ANSWERED] * 2
    assert [asker.text for asker in askers] == [TEXT] * 2
    assert len(threads.engine.requests) == num_requests


async def test_regenerated_reply_shares_nothing(threads: Threads) -> None:
    """It must have another seed than the reply before, also if the same is asked elsewhere."""
    threads.engine.slots = 2
    first = threads.ask()
    threads.engine.may_end.set()
    assert await (await first.start()) is Outcome.ANSWERED
    threads.engine.may_end.clear()
    other = threads.ask()
    running = await other.start_and_wait()
    _, details = await first.read_answer()
    rework = Rework(kind=ReworkKind.REGENERATE, reply_id=details.reply_id)
    first.reply.job = first.reply.job.model_copy(update={"rework": rework})
    await first.reply.client.delete(first.reply.job_key)
    again = await first.start()
    threads.engine.may_end.set()

    for task in (running, again):
        assert await task is Outcome.ANSWERED
    seeds = {request.sampling.seed for request in threads.engine.requests}
    assert (len(threads.engine.requests), len(seeds)) == (3, 3)
