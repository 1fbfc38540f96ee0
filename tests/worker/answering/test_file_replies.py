"""Replies about files, from the thread to Slack, by a scripted engine."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from bot.messages.content.files import read_file_reference
from contract.attached_files import FileReference
from contract.conversation import Turn
from contract.job import Job
from testing.leak_scanner import find_entries, read_all_entries
from testing.reply_harness import ReplyHarness
from testing.scripted_engine import ScriptedEngine
from testing.secret_samples import SampleMaker
from testing.tokenizers import write_starchat_tokenizer
from testing.worker_harness import context_text, reply_text
from testing.workspace import ADA, BOT_TOKEN, GENERAL
from tests.worker.files.file_server import serve_files
from worker.answering.answer_cache import AnswerCache
from worker.answering.attempt import AttemptLimits
from worker.answering.generator import GenerationSettings, Generator
from worker.answering.pipeline import AnswerPipeline, ThreadSources
from worker.answering.served_models import ServedModels
from worker.engine import Request
from worker.failpoints import Failpoints
from worker.files.downloads import FileDownloads
from worker.files.file_cache import FileCache
from worker.files.file_reader import FileReader
from worker.jobs.job_context import JobContext, Outcome
from worker.metrics import Metrics
from worker.prompt.tokenizer import Tokenizer
from worker.slack.client import open_web_client
from worker.slack.rate_limits import TokenBuckets

SETTINGS = GenerationSettings(max_new_tokens=500, temperature=0, top_k=0, top_p=1, system_prompt="")


class RecordingEngine(ScriptedEngine):
    """A scripted engine that keeps the prompts."""

    prompts: list[str]

    def generate(self, request: Request) -> Any:
        """Decode the prompt, and reply with the script."""
        tokenizer = Tokenizer.from_checkpoint(self.directory)
        self.prompts = [*getattr(self, "prompts", []), tokenizer.decode(request.prompt)]
        return super().generate(request)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with StarChat's tokenizer."""
    return write_starchat_tokenizer(tmp_path_factory.mktemp("starchat"))


def with_files(reply: ReplyHarness, text: str, *files: dict[str, Any]) -> Job:
    """Return the job of a question with these files."""
    made = reply.harness.workspace.send_control(
        "file", user=ADA, channel=GENERAL, thread_ts=reply.job.thread.ts, files=list(files)
    )
    messages = reply.harness.workspace.read_messages(GENERAL, reply.job.thread.ts)
    raw = next(message for message in messages if message["ts"] == made["ts"])
    references = map(read_file_reference, raw["files"])
    known = tuple(reference for reference in references if reference is not None)
    question: Turn = reply.job.question.model_copy(update={"text": text, "files": known})
    return reply.job.model_copy(update={"turns": (question,)})


async def open_pipeline(
    reply: ReplyHarness, engine: ScriptedEngine, sources: ThreadSources
) -> AnswerPipeline:
    """Claim the job; return a pipeline that answers it."""
    message = await reply.take_job()
    return AnswerPipeline(
        ServedModels(Generator(engine, SETTINGS)),
        sources,
        lambda _: message,
        AttemptLimits(max_attempts=3, deadline_seconds=600.0),
        Metrics(),
        failpoints=Failpoints(),
    )


async def run_job(reply: ReplyHarness, engine: ScriptedEngine, job: Job) -> Outcome:
    """Run a job once."""
    pipeline = await open_pipeline(reply, engine, reply.open_sources())
    return await pipeline.run(JobContext(job, reply.state.lease, age_seconds=0.0))


async def test_reply_tells_what_was_read(reply: ReplyHarness, directory: Path) -> None:
    """The model reads code whole and both ends of a log; the reader learns that."""
    log = "".join(f"step {n} of the build is done\n" for n in range(1, 4_001))
    job = with_files(
        reply, "Why does it fail?",
        {"name": "app.py", "content": "magenta = 1\n" * 212},
        {"name": "build.log", "content": log},
        {"name": "shot.png", "base64": "iVBORw0KGgo=", "mimetype": "image/png"},
    )  # fmt: skip
    engine = RecordingEngine(directory, "Because.")

    assert await run_job(reply, engine, job) is Outcome.ANSWERED
    notes = context_text(reply.visible_messages)
    assert "Read `app.py` (212 lines) and the first " in notes
    assert " of 4,000 lines of `build.log`. I can't read `shot.png`." in notes
    [prompt] = engine.prompts
    assert "magenta = 1\n" * 212 in prompt
    assert "\nstep 4000 of the build is done\n" in prompt
    assert prompt.index("(attached file: shot.png)") < prompt.index("Why does it fail?")


async def test_lines_of_a_file_end_no_reply(reply: ReplyHarness, directory: Path) -> None:
    """A reply may quote a log in which a person's name begins a line."""
    quoted = "The log says:\n\nAda: connection refused\n\nSo the server is down."
    job = with_files(reply, "Why?", {"name": "chat.log", "content": "Ada: connection refused\n"})

    await run_job(reply, ScriptedEngine(directory, quoted), job)
    assert "So the server is down." in reply_text(reply.visible_messages)


async def test_files_alone_that_cannot_be_read_get_an_error(
    reply: ReplyHarness, directory: Path
) -> None:
    """No reply is generated about a name."""
    job = with_files(reply, "", {"name": "data.bin", "base64": "AAEC"})
    engine = RecordingEngine(directory, "Never said.")

    assert await run_job(reply, engine, job) is Outcome.ERROR_POSTED
    assert (
        "I can't read `data.bin`. Please write your question, and paste the lines that matter."
        in context_text(reply.visible_messages)
    )
    assert not hasattr(engine, "prompts")


async def test_file_alone_is_a_question(reply: ReplyHarness, directory: Path) -> None:
    """The model reads it without a word of its author."""
    job = with_files(reply, "", {"name": "a.py", "content": "magenta = 1\n"})
    engine = RecordingEngine(directory, "It assigns 1.")

    assert await run_job(reply, engine, job) is Outcome.ANSWERED
    assert "magenta = 1" in engine.prompts[0]
    assert "Read `a.py` (1 line)." in context_text(reply.visible_messages)


async def test_stop_ends_a_download(reply: ReplyHarness, directory: Path) -> None:
    """A file that drips holds up no Stop, and the model is never asked."""
    async with serve_files() as server, AsyncExitStack() as stack:
        client = await open_web_client(BOT_TOKEN, f"{server.url}/api/", stack)
        buckets = TokenBuckets(reply.client)
        downloads = FileDownloads(client, buckets, Metrics(), seconds=3600.0)
        reader = FileReader(reply.slack, downloads, FileCache(reply.client))
        file = FileReference(id="F1", name="a.log", url=f"{server.url}/drip.log")
        question = reply.job.question.model_copy(update={"files": (file,)})
        job = reply.job.model_copy(update={"turns": (question,)})
        engine = RecordingEngine(directory, "Never said.")
        sources = ThreadSources(AnswerCache(reply.client), reader)
        pipeline = await open_pipeline(reply, engine, sources)
        context = JobContext(job, reply.state.lease, age_seconds=0.0)
        running = asyncio.create_task(pipeline.run(context))
        await server.is_asked.wait()
        context.stopped.set()

        assert await running is Outcome.STOPPED
    assert not hasattr(engine, "prompts")


async def test_secret_of_a_file_reaches_no_engine(reply: ReplyHarness, directory: Path) -> None:
    """The cache in Redis and the prompt have the mask; the file's other lines are whole."""
    secret = SampleMaker().draw_secret("gh~p_[A36]")
    content = f"TOKEN = '{secret}'\nmagenta = 1\n"
    job = with_files(reply, "Why?", {"name": "a.py", "content": content})
    engine = RecordingEngine(directory, "Because.")

    assert await run_job(reply, engine, job) is Outcome.ANSWERED
    [prompt] = engine.prompts
    assert "TOKEN = '<secret:github-token:1>'\nmagenta = 1\n" in prompt
    entries = read_all_entries(reply.harness.redis)
    assert find_entries(entries, "secret:github-token:1")
    assert find_entries(entries, secret) == []
