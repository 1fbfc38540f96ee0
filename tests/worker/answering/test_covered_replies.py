"""Covered replies: nothing of them is posted until the person who asked wants to see it."""

import json
from pathlib import Path

import pytest

from contract.language import Language
from contract.reply_files import FILES_FIELD
from contract.rework import ReworkKind
from testing.reply_harness import ReplyHarness
from testing.rework_harness import RaisingFailpoints, ReworkHarness
from testing.slack_parser import context_texts, model_text
from testing.tokenizers import write_starchat_tokenizer
from testing.worker_harness import context_text, reply_metadata, reply_text
from worker.answering.publishing.reply_layout import LayoutKind, ReplyLayout
from worker.failpoints import Failpoint
from worker.jobs.job_context import Outcome
from worker.render import ReplyFacts, texts
from worker.wording.word_list import WordList
from worker.wording.wording_check import WordingCheck

TEXT = "Use a mutex, dammit, and hold it for as short a time as you can."
OTHER = "A semaphore counts; a mutex has one owner."
CODE = "```python\n" + "".join(f"v = {n * n}, '{'return ' * 13}'\n" for n in range(95)) + "```\n"
"""Code for a file, and few tokens in StarChat's own tokenizer and in its stand-in."""
CHECK = WordingCheck(WordList(["dammit"]), None)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with StarChat's tokenizer."""
    return write_starchat_tokenizer(tmp_path_factory.mktemp("starchat"))


async def test_covered_reply_is_shown_on_request(reply: ReplyHarness, directory: Path) -> None:
    """In place, without the engine; a regenerated reply is judged again."""
    asked = ReworkHarness(reply, directory, TEXT)
    asked.wording = CHECK
    assert await asked.ask() is Outcome.ANSWERED
    assert asked.list_buttons() == ["Show", "Regenerate", "Details"]
    assert "dammit" not in json.dumps(reply.visible_messages)
    assert "This reply is covered." in context_text(reply.visible_messages)

    for _ in range(2):
        assert await asked.rework(ReworkKind.SHOW) is Outcome.ANSWERED
        assert reply_text(reply.visible_messages).strip() == TEXT
        assert asked.list_buttons() == ["Regenerate", "Details"]
        assert "Shown at the request" in context_text(reply.visible_messages)
        assert await asked.repeat() is Outcome.ANSWERED
    assert len(asked.engine.requests) == 1

    asked.engine.text = OTHER
    await asked.rework(ReworkKind.REGENERATE)
    assert reply_text(reply.visible_messages).strip() == OTHER
    await asked.rework(ReworkKind.PREVIOUS)
    assert reply_text(reply.visible_messages).strip() == TEXT
    asked.engine.text = f"{TEXT} {TEXT}"
    await asked.rework(ReworkKind.REGENERATE)
    assert "dammit" not in json.dumps(reply.visible_messages)
    assert len(reply.visible_messages) == 1


async def test_stored_reply_tells_whether_it_is_covered(
    reply: ReplyHarness, directory: Path
) -> None:
    """*Current code* shows it to everyone, or leaves it out."""
    asked = ReworkHarness(reply, directory, TEXT)
    asked.wording = CHECK
    await asked.ask()
    before, _ = await asked.read_versions()
    await asked.rework(ReworkKind.SHOW)
    after, _ = await asked.read_versions()
    assert before is not None
    assert after is not None
    assert (before.is_covered, after.is_covered) == (True, False)


async def test_shared_reply_is_covered_for_others(reply: ReplyHarness, directory: Path) -> None:
    """Also after the person who asked has shown it to themselves."""
    asked = ReworkHarness(reply, directory, TEXT)
    asked.wording = CHECK
    await asked.ask()
    await asked.rework(ReworkKind.SHOW)
    shown, _ = await asked.read_versions()
    assert shown is not None
    reply.job = reply.job.model_copy(update={"rework": None})
    await reply.client.delete(reply.job_key)
    for name, value in shown.to_job_fields().items():
        await reply.client.hset(reply.job_key, name, value)
    assert await asked.ask() is Outcome.ANSWERED

    [_, shared] = reply.visible_messages
    assert "dammit" not in json.dumps(shared)
    assert "This reply is covered." in context_text([shared])


async def test_growing_text_with_a_listed_word_is_not_shown() -> None:
    """Nor is one whose layout fails."""
    layout, facts = ReplyLayout(), ReplyFacts("m", "stop", 256)
    layout.wording = CHECK

    growing = await layout.compose_growing(f"{TEXT} And so on.", Language.ENGLISH)
    assert (model_text([growing]), context_texts(growing)) == ("", [str(texts.WRITING)])
    composed, _ = await layout.compose_final(TEXT, facts, LayoutKind.PLAIN)
    assert (model_text(composed.parts), composed.is_covered) == ("", True)
    code, _ = await layout.compose_final(f"{TEXT}\n```\nx\n```", facts, LayoutKind.MARKDOWN)
    assert [str(verdict.describe()) for verdict in code.verdicts] == ["code: not checked"]
    fine, _ = await layout.compose_final(OTHER, facts, LayoutKind.PLAIN)
    assert (model_text(fine.parts[:1]), fine.is_covered) == (OTHER, False)


async def test_shown_reply_names_its_file(reply: ReplyHarness, directory: Path) -> None:
    """In its first message, also after a death: replies to others may be between both."""
    asked = ReworkHarness(reply, directory, f"{TEXT}\n\n{CODE}", limit=4_000)
    asked.wording = CHECK
    await asked.ask()
    [covered] = reply.visible_messages
    assert reply_metadata(covered)[FILES_FIELD] == ""
    await asked.rework(ReworkKind.SHOW, RaisingFailpoints(Failpoint.AFTER_FILE_UPLOADED))
    assert_file_is_named(reply)
    assert await asked.repeat() is Outcome.ANSWERED
    assert_file_is_named(reply)

    asked.engine.is_broken = True
    assert await asked.rework(ReworkKind.REPLAY) is Outcome.RESTORED
    assert_file_is_named(reply)
    asked.engine.is_broken, asked.wording = False, WordingCheck(None, None)
    await asked.rework(ReworkKind.REPLAY, RaisingFailpoints(Failpoint.AFTER_ANSWER_SAVED))
    assert_file_is_named(reply)
    asked.engine.text = OTHER
    await asked.rework(ReworkKind.REGENERATE)
    [first] = reply.visible_messages
    assert reply_metadata(first)[FILES_FIELD] == ""


def assert_file_is_named(reply: ReplyHarness) -> None:
    """Assert that a reply is a message and a file, which the message names."""
    first, file = reply.visible_messages
    assert reply_metadata(first)[FILES_FIELD] == file["files"][0]["id"]
