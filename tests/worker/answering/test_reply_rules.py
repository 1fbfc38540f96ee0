"""A channel's rules in a reply: sampling, length and prompt, within the operator's bounds."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from contract.reply_rules import NO_RULES, ReplyRules
from testing.reply_harness import ReplyHarness
from testing.scripted_engine import ScriptedEngine
from testing.tokenizers import write_starchat_tokenizer
from testing.worker_harness import context_text
from tests.worker.answering.test_file_replies import open_pipeline
from worker.answering.generator import GenerationSettings
from worker.engine import EngineEvent, Request
from worker.jobs.job_context import JobContext, Outcome
from worker.prompt.tokenizer import Tokenizer

SETTINGS = GenerationSettings(
    max_new_tokens=256, temperature=0.2, top_k=50, top_p=0.95, system_prompt="Be kind."
)


class RequestRecorder(ScriptedEngine):
    """A scripted engine that keeps its requests."""

    requests: tuple[Request, ...] = ()

    def generate(self, request: Request) -> AsyncGenerator[EngineEvent]:
        """Keep the request, and reply with the script."""
        self.requests += (request,)
        return super().generate(request)


def test_channel_without_rules_has_the_operator_s_settings() -> None:
    """A rule that is not set leaves the choice to the operator."""
    assert SETTINGS.apply_rules(NO_RULES) == SETTINGS
    assert SETTINGS.apply_rules(ReplyRules(prompt="Use Go.")) == SETTINGS


def test_channel_chooses_within_the_operator_s_bounds() -> None:
    """It may shorten replies and change the sampling, but not beyond the operator's maxima."""
    rules = ReplyRules(max_new_tokens=64, temperature=0, top_k=0, top_p=0.5)
    chosen = SETTINGS.apply_rules(rules)
    assert (chosen.max_new_tokens, chosen.temperature, chosen.top_k, chosen.top_p) == (
        64,
        0,
        0,
        0.5,
    )

    wild = SETTINGS.apply_rules(ReplyRules(max_new_tokens=8_191, temperature=2))
    assert (wild.max_new_tokens, wild.temperature) == (256, 1.0)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with StarChat's tokenizer."""
    return write_starchat_tokenizer(tmp_path_factory.mktemp("starchat"))


async def test_reply_follows_the_rules_of_its_job(reply: ReplyHarness, directory: Path) -> None:
    """Sampling, length and prompt reach the engine; a prompt that is too long is admitted."""
    rules = ReplyRules(prompt="Answer in Go. " * 140, max_new_tokens=16, top_k=7)
    job = reply.job.model_copy(update={"rules": rules})
    engine = RequestRecorder(directory, "word " * 40)
    pipeline = await open_pipeline(reply, engine, reply.open_sources())

    assert (
        await pipeline.run(JobContext(job, reply.state.lease, age_seconds=0.0)) is Outcome.ANSWERED
    )
    [request] = engine.requests
    assert (request.sampling.max_new_tokens, request.sampling.top_k) == (16, 7)
    prompt = Tokenizer.from_checkpoint(directory).decode(request.prompt)
    assert 0 < prompt.count("Answer in Go.") < 140
    notes = context_text(reply.visible_messages)
    assert "Stopped at 16 tokens. Ask me to continue." in notes
    assert "I didn't read the end of this channel's own prompt: 400 tokens are the most." in notes
