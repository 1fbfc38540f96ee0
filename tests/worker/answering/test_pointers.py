"""Replies that point to an earlier answer: without the model, and answered anyway on request."""

from enum import StrEnum
from pathlib import Path

import pytest
from redis import Redis

from bot.messages.message import BotIdentity, Message
from bot.store.asked_questions import AskedQuestions
from bot.store.usage_sums import UsageSums
from contract import keys
from contract.rework import ReworkKind
from contract.stop import StopRecord
from testing.earlier_answers import EARLIER
from testing.reply_harness import ReplyHarness
from testing.rework_harness import KilledError, RaisingFailpoints, ReworkHarness
from testing.tokenizers import write_starchat_tokenizer
from testing.worker_harness import context_text, reply_text
from testing.workspace import STARCHAT
from worker.answering.answer_cache import AnswerCache
from worker.answering.pipeline_run import MAX_POINTER_AGE_SECONDS
from worker.errors import ModelFailedError
from worker.failpoints import Failpoint, Failpoints
from worker.jobs.job_context import Outcome
from worker.render import texts

ANSWER = "Use a mutex, and hold it for as short a time as you can."
POINTED = ["pointer"]
COUNTER = "starchat_earlier_answers_total"


class EditingFailpoints(Failpoints):
    """Failpoints at which the question is edited once, right before the pointer is saved."""

    def __init__(self, redis: Redis, job_key: str) -> None:
        super().__init__()
        self._redis, self._job_key = redis, job_key
        self.num_saves = 0

    def hit(self, failpoint: StrEnum) -> None:
        """Raise the revision before the first save; the next execution has the new text."""
        if failpoint is Failpoint.BEFORE_ANSWER_SAVED:
            self.num_saves += 1
            self._redis.hset(self._job_key, keys.REVISION, int(self.num_saves == 1))


class DelayingFailpoints(RaisingFailpoints):
    """Failpoints at which the worker dies; the next one is too late for a pointer."""

    def __init__(self, armed: StrEnum, asked: ReworkHarness) -> None:
        super().__init__(armed)
        self._asked = asked

    def hit(self, failpoint: StrEnum) -> None:
        """Let time pass before the death."""
        try:
            super().hit(failpoint)
        except KilledError:
            self._asked.age_seconds = MAX_POINTER_AGE_SECONDS
            raise


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with StarChat's tokenizer."""
    return write_starchat_tokenizer(tmp_path_factory.mktemp("starchat"))


@pytest.fixture
def asked(reply: ReplyHarness, directory: Path) -> ReworkHarness:
    """A question with an earlier answer; the engine would answer it with `ANSWER`."""
    earlier = EARLIER.model_copy(update={"author_name": "Ada <!channel>"})
    reply.job = reply.job.model_copy(update={"earlier_answer": earlier})
    return ReworkHarness(reply, directory, ANSWER)


def shown_text(asked: ReworkHarness) -> str:
    """Return the text of the only message."""
    [message] = asked.reply.visible_messages
    return reply_text([message]).strip()


async def test_reply_points_to_the_earlier_answer(asked: ReworkHarness) -> None:
    """The model is not asked, the name pings no one, and the link does not unfurl."""
    asked.engine.is_broken = True
    assert await asked.ask() is Outcome.ANSWERED

    [message] = asked.reply.visible_messages
    assert "Ada <!channel> asked much the same on " in shown_text(asked)
    assert asked.list_states() == POINTED
    assert asked.list_buttons() == ["Answer anyway"]
    assert context_text([message]) == ""
    actions = {
        element["action_id"] for block in message["blocks"][1:] for element in block["elements"]
    }
    assert actions == {"anyway_reply", "delete_reply"}
    assert asked.engine.requests == []
    assert not message.get("attachments")


async def test_pointer_is_no_turn(asked: ReworkHarness) -> None:
    """Neither from the cache of answers nor from Slack; its question is in its user's list."""
    await asked.ask()
    reply, job = asked.reply, asked.reply.job
    conversation = await AnswerCache(reply.client).recall_conversation(job)
    assert [turn.text for turn in conversation.turns] == [job.question.text]
    identity = BotIdentity(job.thread.team, STARCHAT, "", "StarChat")
    assert [Message.from_slack(raw, identity) for raw in reply.visible_messages] == [None]
    sums = UsageSums(reply.harness.redis)
    used = sums.read_week(keys.user_usage(job.thread.team, job.user), sums.count_days())
    assert (used.gpu_ms, used.replies) == (0, 0)
    listed = AskedQuestions(reply.harness.redis, job.thread.team).list_recent(job.user, 9)
    assert listed == [(job.thread, job.ts)]


async def test_question_is_answered_anyway(asked: ReworkHarness) -> None:
    """
    The same message becomes a reply like any other, and never points again.

    It is charged to the person who pressed the button.
    """
    await asked.ask()
    [pointer] = asked.reply.visible_messages
    asked.reply.job = asked.reply.job.model_copy(update={"presser": "U0PRESSER1"})
    assert await asked.rework(ReworkKind.ANYWAY) is Outcome.ANSWERED

    [message] = asked.reply.visible_messages
    assert message["ts"] == pointer["ts"]
    assert shown_text(asked) == ANSWER
    assert asked.list_buttons() == ["Regenerate", "Details"]
    assert asked.list_states() == ["final"]
    present, previous = await asked.read_versions()
    assert present is not None
    assert (present.text, present.earlier_answer, previous) == (ANSWER, None, None)
    assert len(asked.engine.requests) == 1
    sample = asked.metrics.registry.get_sample_value
    sums, team = UsageSums(asked.reply.harness.redis), asked.reply.job.thread.team
    used = [
        sums.read_week(keys.user_usage(team, user), sums.count_days()).replies
        for user in ("U0PRESSER1", asked.reply.job.user)
    ]
    assert used == [1, 0]
    counted = [sample(COUNTER, {"event": event}) for event in ("shown", "answered_anyway")]
    assert counted == [1, 1]
    assert await asked.repeat() is Outcome.ANSWERED
    assert len(asked.engine.requests) == 1


async def test_second_press_changes_nothing(asked: ReworkHarness) -> None:
    """It came before the first one had ended: the reply is another one by now."""
    await asked.ask()
    pointer, _ = await asked.read_versions()
    assert pointer is not None
    await asked.rework(ReworkKind.ANYWAY)
    before = asked.reply.visible_messages
    assert await asked.rework(ReworkKind.ANYWAY, reply_id=pointer.reply_id) is Outcome.ABANDONED
    assert asked.reply.visible_messages == before
    assert len(asked.engine.requests) == 1


async def test_forgotten_pointer_still_leads_to_an_answer(asked: ReworkHarness) -> None:
    """It has no text that could be lost."""
    await asked.ask()
    thread = asked.reply.job.thread
    await asked.reply.client.delete(keys.answer_cache(thread.team, thread.channel, thread.ts))
    assert await asked.rework(ReworkKind.ANYWAY) is Outcome.ANSWERED
    assert shown_text(asked) == ANSWER


async def test_failed_answer_brings_the_pointer_back(asked: ReworkHarness) -> None:
    """With its button, so that its person can try again; a stop does the same."""
    await asked.ask()
    asked.engine.is_broken = True
    assert await asked.rework(ReworkKind.ANYWAY) is Outcome.RESTORED
    assert str(ModelFailedError.user_message) in context_text(asked.reply.visible_messages)
    assert "asked much the same" in shown_text(asked)
    assert (asked.list_states(), asked.list_buttons()) == (POINTED, ["Answer anyway"])

    stopped = {keys.STOPPED_BY: StopRecord(user=asked.reply.job.user, name="Lin").to_json()}
    asked.engine.is_broken = False
    assert await asked.rework(ReworkKind.ANYWAY, fields=stopped) is Outcome.STOPPED
    assert str(texts.REPLY_RESTORED) in context_text(asked.reply.visible_messages)
    assert asked.list_buttons() == ["Answer anyway"]
    assert await asked.rework(ReworkKind.ANYWAY) is Outcome.ANSWERED
    assert shown_text(asked) == ANSWER


async def test_late_reply_points_to_nothing(asked: ReworkHarness) -> None:
    """The earlier answer may be withdrawn by now: the model answers, as without one."""
    asked.age_seconds = MAX_POINTER_AGE_SECONDS
    assert await asked.ask() is Outcome.ANSWERED
    assert shown_text(asked) == ANSWER
    assert asked.list_states() == ["final"]
    present, _ = await asked.read_versions()
    assert present is not None
    assert present.earlier_answer is None


@pytest.mark.parametrize("point", [Failpoint.AFTER_ANSWER_SAVED, Failpoint.AFTER_FINAL])
async def test_saved_pointer_is_not_posted_late(asked: ReworkHarness, point: Failpoint) -> None:
    """Its worker died, and the next one came too late: one reply, without the name."""
    assert await asked.ask(DelayingFailpoints(point, asked)) is Outcome.ANSWERED
    assert shown_text(asked) == ANSWER
    assert asked.list_states() == ["final"]
    present, previous = await asked.read_versions()
    assert present is not None
    assert (present.text, present.earlier_answer, previous) == (ANSWER, None, None)


async def test_edit_of_the_question_starts_again(asked: ReworkHarness) -> None:
    """The earlier answer was one to its old text; what the job names by then counts."""
    editing = EditingFailpoints(asked.reply.harness.redis, asked.reply.job_key)
    assert await asked.ask(editing) is Outcome.ANSWERED
    assert editing.num_saves == 2
    assert (asked.list_states(), asked.list_buttons()) == (POINTED, ["Answer anyway"])


async def test_stopped_question_points_to_nothing(asked: ReworkHarness) -> None:
    """The person who stopped it is named, as below any reply."""
    record = StopRecord(user=asked.reply.job.user, name="Lin").to_json()
    await asked.reply.client.hset(asked.reply.job_key, keys.STOPPED_BY, record)
    assert await asked.ask() is Outcome.STOPPED
    assert "Stopped by Lin." in context_text(asked.reply.visible_messages)
    assert "asked much the same" not in shown_text(asked)


@pytest.mark.parametrize(
    "point",
    [Failpoint.AFTER_PLACEHOLDER_POST, Failpoint.AFTER_ANSWER_SAVED, Failpoint.AFTER_FINAL],
)
async def test_death_neither_loses_nor_doubles_the_pointer(
    asked: ReworkHarness, point: Failpoint
) -> None:
    """Nor does a death lose or double the answer that replaces it."""
    assert await asked.ask(RaisingFailpoints(point)) is Outcome.ANSWERED
    assert (asked.list_states(), asked.list_buttons()) == (POINTED, ["Answer anyway"])
    killed = RaisingFailpoints(point)
    assert await asked.rework(ReworkKind.ANYWAY, killed) is Outcome.ANSWERED
    assert shown_text(asked) == ANSWER
    _, previous = await asked.read_versions()
    assert previous is None
