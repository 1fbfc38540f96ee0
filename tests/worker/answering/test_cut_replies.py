"""Replies that are cut, from the engine's ids to Slack, with the reason for the cut."""

from pathlib import Path

import pytest

from contract.conversation import Speaker, Turn
from contract.job import Job
from testing.reply_harness import ReplyHarness
from testing.scripted_engine import ScriptedEngine
from testing.secret_samples import SampleMaker
from testing.tokenizers import write_starchat_tokenizer
from testing.worker_harness import reply_text
from worker.answering.attempt import AttemptLimits
from worker.answering.generator import GenerationSettings, Generator
from worker.answering.pipeline import AnswerPipeline
from worker.answering.publishing.finished_answer import FinishedAnswer
from worker.answering.served_models import ServedModels
from worker.failpoints import Failpoints
from worker.jobs.job_context import JobContext, Outcome
from worker.metrics import Metrics
from worker.render import texts

MAX_NEW_TOKENS = 4_000


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with StarChat's tokenizer."""
    return write_starchat_tokenizer(tmp_path_factory.mktemp("starchat"))


async def run_reply(reply: ReplyHarness, engine: ScriptedEngine, limit: int) -> tuple[str, str]:
    """Run the job with two people in its thread; return the shown text and the notes below."""
    turns = (
        Turn(speaker=Speaker.USER, text="How do I lock?", ts="0.5", name="Ada"),
        *reply.job.turns,
    )
    job: Job = reply.job.model_copy(update={"turns": turns})
    message = await reply.take_job()
    settings = GenerationSettings(
        max_new_tokens=limit, temperature=0, top_k=0, top_p=1, system_prompt=""
    )
    pipeline = AnswerPipeline(
        ServedModels(Generator(engine, settings)),
        reply.open_sources(),
        lambda _: message,
        AttemptLimits(max_attempts=3, deadline_seconds=600.0),
        Metrics(),
        failpoints=Failpoints(),
    )
    context = JobContext(job, reply.state.lease, age_seconds=0.0)
    assert await pipeline.run(context) is Outcome.ANSWERED
    return reply_text(reply.visible_messages), str(reply.visible_messages)


@pytest.mark.parametrize(
    ("text", "shown", "sentence"),
    [
        (
            "Use a mutex.\n\nAda: and what about b?\n\nIt is fine, too. " + "x " * 500,
            "Use a mutex.",
            str(texts.STOPPED_AT_TURN),
        ),
        (
            "Well: " + "the same thing " * 1_000,
            "Well: the same thing the same thing the same thing",
            str(texts.STOPPED_REPEATING),
        ),
        (
            "Code:\n```py\n" + "x = x + 1\n" * 1_000,
            "Code:\nx = x + 1\nx = x + 1\nx = x + 1",
            str(texts.STOPPED_REPEATING),
        ),
        (
            "Code:\n```\n<|system|>\n```\nThat is it.<|end|>\nand what about b",
            "Code:\n<|system|>\nThat is it.",
            str(texts.STOPPED_AT_CONTROL),
        ),
    ],
    ids=["foreign-turn", "words", "code", "token"],
)
async def test_reply_is_cut_while_it_is_generated(
    reply: ReplyHarness, directory: Path, text: str, shown: str, sentence: str
) -> None:
    """The engine's request is aborted, the rest is not shown, and a sentence says so."""
    engine = ScriptedEngine(directory, text)

    found, notes = await run_reply(reply, engine, MAX_NEW_TOKENS)

    assert (found.strip(), engine.aborted) == (shown, 1)
    assert sentence in notes
    answer = (await reply.state.load_progress()).answer
    assert answer is not None
    assert "and what about" not in answer


async def test_reply_that_repeats_up_to_its_limit_is_shortened(
    reply: ReplyHarness, directory: Path
) -> None:
    """The note names the repetition instead of the limit."""
    engine = ScriptedEngine(directory, "Well: " + "the same thing " * 1_000)

    found, notes = await run_reply(reply, engine, 256)

    assert found.strip() == "Well: the same thing the same thing the same thing"
    assert (engine.generated_tokens, engine.aborted) == (256, 0)
    assert str(texts.STOPPED_REPEATING) in notes
    assert "Ask me to continue" not in notes


async def test_secret_that_the_model_invents_is_hidden(
    reply: ReplyHarness, directory: Path
) -> None:
    """Slack and Redis get the mask, a sentence says so, and no ids of it are kept."""
    secret = SampleMaker().draw_secret("AK~IA[U16]")
    engine = ScriptedEngine(directory, f"Set it:\n```py\nkey = '{secret}'\n```\nNot {secret}.")

    found, notes = await run_reply(reply, engine, MAX_NEW_TOKENS)
    assert found.strip() == "Set it:\nkey = '<secret:aws-key:1>'\nNot <secret:aws-key:1>."
    assert "1 value that looks like a secret is hidden." in notes
    progress = await reply.state.load_progress()
    assert progress.answer is not None
    assert secret not in progress.answer
    restored = FinishedAnswer.from_progress(reply.job, progress)
    assert restored is not None
    assert (restored.answer.token_ids, restored.facts.hidden_secrets) == ((), 1)
