"""Languages of replies: all that the worker writes itself is in the language of the job."""

from pathlib import Path

import pytest

from contract.language import Language
from contract.rework import ReworkKind
from contract.stop import StopRecord
from testing.checked_replies import compose_checked
from testing.language_checks import find_english
from testing.reply_harness import ReplyHarness
from testing.rework_harness import ReworkHarness
from testing.tokenizers import write_starchat_tokenizer
from testing.worker_harness import context_text, reply_text
from worker.errors import NoReplyError
from worker.jobs.job_context import Outcome
from worker.render import (
    ReplyFacts,
    compose_growing,
    compose_plain,
    compose_stop_notice,
)
from worker.render.file_messages import compose_file_messages, mark_incomplete
from worker.render.model import ComposedReply, CutReason, Message, Snippet

ANSWER = "Use `threading.Lock`:\n\n```python\nwith lock:\n    run()\n```\n\nThe rest is up to you."
BROKEN_CODE = "```python\ndef f(\n```\n\n```json\n{}\n```\n\n```python\nx = 1\n```\n"
LONG_CODE = "```python\n" + "value = 'some words of the model'\n" * 600 + "```\n"
HIDDEN = "See https://invented.example/x and \u202e this."


@pytest.fixture
def chinese(reply: ReplyHarness, tmp_path: Path) -> ReworkHarness:
    """A question of a person who reads Chinese."""
    reply.job = reply.job.model_copy(update={"language": Language.CHINESE})
    return ReworkHarness(reply, write_starchat_tokenizer(tmp_path), ANSWER)


async def test_whole_life_of_a_reply_is_in_chinese(chinese: ReworkHarness) -> None:
    """Placeholder, growing text, final, buttons, rework and errors; the model's text stays."""
    workspace = chinese.reply.harness.workspace
    since = len(workspace.api_calls())
    assert await chinese.ask() is Outcome.ANSWERED
    assert "The rest is up to you." in reply_text(chinese.reply.visible_messages)
    assert "StarChat" not in context_text(chinese.reply.visible_messages)
    assert chinese.list_buttons() == ["重新生成", "详情"]
    chinese.engine.text = "Another answer."
    assert await chinese.rework(ReworkKind.REGENERATE) is Outcome.ANSWERED
    assert await chinese.rework(ReworkKind.REPLAY) is Outcome.ANSWERED
    assert await chinese.rework(ReworkKind.PREVIOUS) is Outcome.ANSWERED
    chinese.engine.is_broken = True
    assert await chinese.rework(ReworkKind.REGENERATE) is Outcome.RESTORED

    written = [
        call["args"].get("blocks")
        for call in workspace.api_calls(since)
        if call["method"].startswith("chat.")
    ]
    assert len(written) >= 8
    assert find_english(written) == []


async def test_error_is_in_chinese(chinese: ReworkHarness) -> None:
    """A question whose attempts all fail ends with a sentence."""
    chinese.engine.is_broken = True
    assert await chinese.ask() is Outcome.ERROR_POSTED

    assert find_english(chinese.reply.visible_messages) == []


def compose_blocks(text: str, **facts: object) -> list[object]:
    """Return the blocks and titles of a finished reply for a reader of Chinese."""
    values = {"model": "m", "finish_reason": "stop", "max_new_tokens": 9} | facts
    found = ReplyFacts(**values, language=Language.CHINESE)  # type: ignore[arg-type]
    replies = (compose_checked(text, facts=found), ComposedReply(compose_plain(text, facts=found)))
    return [
        part.blocks if isinstance(part, Message) else {"title": part.title}
        for reply in replies
        for part in reply.parts
        if isinstance(part, Message) or part.title != part.filename
    ]


@pytest.mark.parametrize("text", ["", ANSWER, BROKEN_CODE, LONG_CODE, HIDDEN, "# a\n\n" * 9_000])
@pytest.mark.parametrize(
    "facts",
    [
        {"dropped_turns": 1, "is_rule_shortened": True},
        {"dropped_turns": 7, "finish_reason": "length"},
        {"stopped_by": "Ada", "new_tokens": 84},
        *({"finish_reason": reason} for reason in ("stopped", "timeout", *CutReason)),
    ],
)
def test_notes_below_a_reply_are_in_chinese(text: str, facts: dict[str, object]) -> None:
    """Checks, endings, disclaimer, parts and files."""
    assert find_english(compose_blocks(text, **facts)) == []


def test_messages_without_a_reply_are_in_chinese() -> None:
    """Growing, stopped, cut by Slack, and files that Slack did not take."""
    language = Language.CHINESE
    growing = compose_growing("word " * 5_000, language)
    stopped = [compose_stop_notice(name, language) for name in ("", "Ada")]
    files = compose_file_messages(Snippet("a.py", "python", "x\n" * 9_000, "a.py"), language)
    short = compose_file_messages(Snippet("b.py", "python", "x = 1\n", "b.py"), language)
    assert len(short) == 1
    shown = [*short, growing, mark_incomplete(growing, language), *stopped, *files]

    assert find_english([message.blocks for message in shown]) == []
    label = StopRecord(user="U1").label_for("U1", "U1")
    assert not isinstance(label, str)
    assert label.translate(language) == "提问者"


def test_each_error_is_translated() -> None:
    """No error leaves its reader with English."""
    errors: list[type[NoReplyError]] = [NoReplyError, *NoReplyError.__subclasses__()]
    texts = [{"text": error.user_message.translate(Language.CHINESE)} for error in errors]

    assert len(errors) >= 10
    assert find_english(texts) == []
