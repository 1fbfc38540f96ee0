"""Rollback to an earlier model: what Redis keeps of a reply, by the revision that wrote it."""

from pathlib import Path

import pytest

from contract.rework import ReworkKind
from testing.reply_harness import ReplyHarness
from testing.rework_harness import ReworkHarness
from testing.tokenizers import write_starchat_tokenizer
from testing.worker_harness import reply_text
from tests.worker.answering.candidates.race_steps import check_in_process
from worker.answering.publishing.finished_answer import parse_details
from worker.errors import ModelChangedError
from worker.jobs.job_context import Outcome

TUNED, BEFORE = "1f00", "0a00"
TEXT = "```python\nprint(1)\n```\nThis one prints a number. " + "And so on. " * 20
LIMIT = 30


@pytest.fixture
def harness_of(reply: ReplyHarness, tmp_path: Path) -> ReworkHarness:
    """A question that a tuned model answers, in more tokens than it may use."""
    harness = ReworkHarness(reply, write_starchat_tokenizer(tmp_path / "model"), TEXT, LIMIT)
    harness.check_blocks = check_in_process
    harness.change_model(TUNED)
    return harness


@pytest.mark.parametrize("kind", [ReworkKind.CONTINUE, ReworkKind.REPLAY])
async def test_ids_of_another_revision_are_not_used(
    harness_of: ReworkHarness, kind: ReworkKind
) -> None:
    """The reply stays, and its asker reads why; the tuned model itself continues by them."""
    await harness_of.ask()
    [before] = harness_of.reply.visible_messages
    harness_of.change_model(BEFORE)

    assert await harness_of.rework(kind) is Outcome.RESTORED

    [message] = harness_of.reply.visible_messages
    assert reply_text([message]) == reply_text([before])
    assert str(ModelChangedError.user_message) in str(message["blocks"])
    assert len(harness_of.engine.requests) == 1
    harness_of.change_model(TUNED)
    assert await harness_of.rework(kind) is Outcome.ANSWERED


async def test_versions_and_metrics_name_the_revision_that_wrote_them(
    harness_of: ReworkHarness,
) -> None:
    """The earlier model writes a new version; the tuned model's comes back with its own name."""
    await harness_of.ask()
    harness_of.change_model(BEFORE)
    await harness_of.rework(ReworkKind.REGENERATE)
    await harness_of.rework(ReworkKind.PREVIOUS)

    present, previous = await harness_of.read_versions()
    assert present is not None
    assert previous is not None
    assert parse_details(present.details).revision == TUNED
    assert parse_details(previous.details).revision == BEFORE
    lines = harness_of.metrics.render_metrics().decode().splitlines()
    counted = [line for line in lines if line.startswith("starchat_code_blocks_total{")]
    assert sorted(counted) == [
        f'starchat_code_blocks_total{{model="scripted",revision="{revision}",verdict="parses"}} 1.0'
        for revision in (BEFORE, TUNED)
    ]
