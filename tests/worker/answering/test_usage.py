"""Usage of replies: each generation is charged once to its user, its channel and its team."""

from pathlib import Path

import pytest

from bot.store.acceptance import EnqueueOutcome, QueueLimits
from bot.store.asked_questions import AskedQuestions
from bot.store.budgets import DailyBudgets
from bot.store.usage_sums import UsageSums
from contract import keys
from contract.rework import ReworkKind
from contract.stop import StopRecord
from contract.usage import Usage
from testing.prepared_queue import PreparedQueue
from testing.reply_harness import ReplyHarness
from testing.rework_harness import TOKEN_SECONDS, RaisingFailpoints, ReworkHarness
from testing.tokenizers import write_starchat_tokenizer
from worker.answering.publishing.finished_answer import parse_details
from worker.errors import EditedError
from worker.failpoints import Failpoint
from worker.jobs.job_context import Outcome
from worker.jobs.job_state import GenerationUsage

ANSWER = "Use a mutex, and hold it for as short a time as you can."


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with StarChat's tokenizer."""
    return write_starchat_tokenizer(tmp_path_factory.mktemp("starchat"))


@pytest.fixture
def asked(reply: ReplyHarness, directory: Path) -> ReworkHarness:
    """A question that the engine answers with `ANSWER`."""
    return ReworkHarness(reply, directory, ANSWER)


def read_usage(asked: ReworkHarness) -> Usage:
    """Return the sums of the week, which are the same for user, channel and team."""
    job, sums = asked.reply.job, UsageSums(asked.reply.harness.redis)
    thread = job.thread
    found = [
        sums.read_week(prefix, sums.count_days())
        for prefix in (
            keys.user_usage(thread.team, job.user),
            keys.channel_usage(thread.team, thread.channel),
            keys.team_usage(thread.team),
        )
    ]
    assert found[0] == found[1] == found[2]
    return found[0]


async def answer_cost(asked: ReworkHarness) -> int:
    """Return what the reply says that it used (ms)."""
    present, _ = await asked.read_versions()
    assert present is not None
    return parse_details(present.details).gpu_ms


async def test_reply_is_charged_once(asked: ReworkHarness) -> None:
    """With the time that the engine reports; a repeated execution adds nothing."""
    assert await asked.ask() is Outcome.ANSWERED
    used = read_usage(asked)
    assert await asked.repeat() is Outcome.ANSWERED

    assert used.gpu_ms == await answer_cost(asked) >= 10 * TOKEN_SECONDS * 1000
    assert used.replies == 1
    assert used.median_wait_seconds, "a bound of a bucket"
    assert read_usage(asked) == used


@pytest.mark.parametrize("failpoint", list(Failpoint))
async def test_killed_worker_charges_at_most_once(
    asked: ReworkHarness, failpoint: Failpoint
) -> None:
    """Wherever it dies: only the generation whose text the reader gets is charged."""
    assert await asked.ask(RaisingFailpoints(failpoint)) is Outcome.ANSWERED

    used = read_usage(asked)
    assert (used.gpu_ms, used.replies) == (await answer_cost(asked), 1)


async def test_lost_response_of_the_save_charges_once(asked: ReworkHarness) -> None:
    """The client repeats a command whose response was lost."""
    await asked.ask()
    used = read_usage(asked)
    state, job = asked.reply.state, asked.reply.job
    execution = await state.read_field("starchat_charged")
    assert execution == state.lease.execution_id
    for _ in range(2):
        await state.save_answer(job, {keys.ANSWER: "again"}, GenerationUsage(9_000, 10))
    assert read_usage(asked) == used


async def test_generation_of_an_edited_question_is_charged(asked: ReworkHarness) -> None:
    """The engine has worked for it, although no reply came of it; the next one is charged too."""
    await asked.reply.take_job()
    await asked.reply.client.hset(asked.reply.job_key, keys.REVISION, "1")
    state, usage = asked.reply.state, GenerationUsage(gpu_ms=700, wait_ms=10)
    with pytest.raises(EditedError):
        await state.save_answer(asked.reply.job, {keys.ANSWER: "old"}, usage, revision="0")
    await state.save_answer(asked.reply.job, {}, usage)
    assert (read_usage(asked).gpu_ms, read_usage(asked).replies) == (700, 0)
    assert await state.read_field(keys.ANSWER) is None
    await asked.reply.client.hdel(asked.reply.job_key, keys.REVISION)

    await asked.ask()
    assert read_usage(asked).gpu_ms == 700 + await answer_cost(asked)


async def test_each_new_version_is_charged_and_previous_is_free(asked: ReworkHarness) -> None:
    """Regenerating costs what it generates; the version before is only shown."""
    await asked.ask()
    first = read_usage(asked)
    await asked.rework(ReworkKind.REGENERATE)
    both = read_usage(asked)
    await asked.rework(ReworkKind.PREVIOUS)

    assert both.replies == 2
    assert both.gpu_ms == 2 * first.gpu_ms
    assert read_usage(asked) == both


async def test_answered_question_is_listed_without_its_text(asked: ReworkHarness) -> None:
    """For its user, and for deletions in its channel; not if it was deleted in between."""
    job, redis = asked.reply.job, asked.reply.harness.redis
    questions = AskedQuestions(redis, job.thread.team)
    await asked.reply.take_job()
    await asked.reply.client.hset(asked.reply.job_key, keys.WITHDRAWN, "1")
    await asked.reply.state.save_answer(job, {keys.ANSWER: "x"}, GenerationUsage(700, 10))
    assert questions.list_recent(job.user, 9) == []

    await asked.reply.client.delete(asked.reply.job_key)
    await asked.ask()
    assert questions.list_recent(job.user, 9) == [(job.thread, job.ts)]
    for key in (
        keys.user_questions(job.thread.team, job.user),
        keys.channel_questions(job.thread.team, job.thread.channel),
    ):
        assert 0 < int(redis.ttl(key)) <= 7 * 86_400
        [member] = redis.zrange(key, 0, -1)
        assert set(str(member)) <= set("b':.CGENRALUD0123456789")


async def test_keys_of_a_wrong_type_cost_no_reply(asked: ReworkHarness) -> None:
    """They are set aside: the reply is charged and listed as if they were empty."""
    job, redis = asked.reply.job, asked.reply.harness.redis
    team, today = job.thread.team, UsageSums(redis).count_days()
    usage = f"{keys.user_usage(team, job.user)}:{today}"
    for key in (usage, keys.user_questions(team, job.user)):
        redis.set(key, "poison")
    redis.hset(f"{keys.team_usage(team)}:{today}", "gpu_ms", "much")

    assert await asked.ask() is Outcome.ANSWERED
    assert redis.hget(usage, "replies") == b"1"
    assert len(AskedQuestions(redis, team).list_recent(job.user, 9)) == 1


async def test_failed_and_stopped_attempts_without_tokens_cost_nothing(
    asked: ReworkHarness,
) -> None:
    """An engine that breaks, and a reply that was stopped before it began."""
    asked.engine.is_broken = True
    assert await asked.ask() is Outcome.ERROR_POSTED
    record = StopRecord(user=asked.reply.job.user, name="Ada").to_json()
    await asked.reply.client.delete(asked.reply.job_key)
    await asked.reply.client.hset(asked.reply.job_key, keys.STOPPED_BY, record)
    await asked.ask()

    assert read_usage(asked).gpu_ms == read_usage(asked).replies == 0


async def test_used_time_ends_the_acceptance_of_questions(asked: ReworkHarness) -> None:
    """From the engine's report to the bot's refusal: the user has used a budget of one second."""
    job = asked.reply.job
    for exempt, expected in ((set(), "user_budget_exceeded"), ({job.user}, "accepted")):
        budgets = DailyBudgets(user_seconds=1, exempt_users=frozenset(exempt))
        queue = PreparedQueue(asked.reply.harness.redis, QueueLimits(budgets=budgets))
        if not exempt:
            assert queue.enqueue(job).outcome is EnqueueOutcome.ACCEPTED
            await asked.ask()
        other = asked.reply.harness.post_question("and a semaphore?", user=job.user)
        assert queue.enqueue(other).outcome == expected
