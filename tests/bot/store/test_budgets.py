"""Daily budgets of the bot: whom they limit, and messages that are decided later."""

from redis import Redis

from bot.store.acceptance import EnqueueOutcome, QueueLimits
from bot.store.budgets import DailyBudgets
from bot.store.inbox import Inbox
from bot.store.received import ReceivedMessage, ReceivedRework
from bot.store.usage_sums import UsageSums
from contract import keys
from contract.conversation import Speaker, Turn
from contract.job import Job, Thread
from contract.rework import Rework, ReworkKind
from testing.prepared_queue import PreparedQueue, post_of
from testing.slack_events import ADA, BOT_IDENTITY, CHANNEL, LIN, message_ts


def build_question(number: int, user: str = ADA) -> Job:
    """Return the job of the message with this number, in a separate thread."""
    ts = message_ts(number)
    return Job(
        thread=Thread(team=BOT_IDENTITY.team, channel=CHANNEL, ts=ts),
        ts=ts,
        user=user,
        user_team=BOT_IDENTITY.team,
        turns=(Turn(speaker=Speaker.USER, text="what is a mutex?", ts=ts),),
    )


def build_press(job: Job, kind: ReworkKind, presser: str | None = None) -> ReceivedRework:
    """Return the press of a button below the reply to a question, by its user or a colleague."""
    return ReceivedRework(
        thread=job.thread,
        ts=job.ts,
        user=job.user,
        user_team=job.user_team,
        files=frozenset(),
        rework=Rework(kind=kind, reply_id="0"),
        pressed_at="9.9",
        presser=presser,
        presser_team=None if presser is None else job.user_team,
    )


def test_press_counts_for_the_presser(redis: Redis) -> None:
    """Limits of the person who asked neither refuse it nor are spent; no one reads another's."""
    budgets = DailyBudgets(user_seconds=10, exempt_users=frozenset({ADA}))
    queue = PreparedQueue(redis, QueueLimits(max_per_user=2, budgets=budgets))
    inbox = Inbox(redis, BOT_IDENTITY.team, queue)
    for number in (1, 2):
        queue.enqueue(build_question(number))
    answered = build_question(3)
    press = build_press(answered, ReworkKind.ANYWAY, LIN)
    assert budgets.find_limits_ms(press).user == 10_000, "the person who asked is exempt"
    assert inbox.accept(build_press(answered, ReworkKind.ANYWAY)).outcome == "user_quota_exceeded"
    assert inbox.check_limits(press).outcome is EnqueueOutcome.ACCEPTED
    assert inbox.accept(press).outcome is EnqueueOutcome.ACCEPTED
    today = UsageSums(redis).count_days()
    for day in (today, today + 1):
        redis.hset(f"{keys.user_usage(BOT_IDENTITY.team, LIN)}:{day}", "gpu_ms", 10_000)
    other = build_press(build_question(4), ReworkKind.ANYWAY, LIN)
    assert inbox.accept(other).outcome is EnqueueOutcome.USER_BUDGET_EXCEEDED
    assert inbox.check_limits(other).outcome is EnqueueOutcome.USER_BUDGET_EXCEEDED


def test_budgets_are_checked_once_a_message_is_decided(redis: Redis) -> None:
    """By what was used until then; administrators and *Previous* are exempt."""
    budgets = DailyBudgets(user_seconds=10, channel_seconds=30, exempt_users=frozenset({LIN}))
    queue = PreparedQueue(redis, QueueLimits(budgets=budgets))
    inbox = Inbox(redis, BOT_IDENTITY.team, queue)
    own, exempt = (
        ReceivedMessage(post=post_of(build_question(number, user)), is_undecided=True)
        for number, user in enumerate([ADA, LIN], start=1)
    )
    accepted, today = EnqueueOutcome.ACCEPTED, UsageSums(redis).count_days()
    assert [inbox.accept(one).outcome for one in (own, exempt)] == [accepted, accepted]
    assert inbox.check_limits(own).outcome is accepted
    for prefix, seconds, expected in (
        (keys.channel_usage(BOT_IDENTITY.team, CHANNEL), 30, "channel_budget_exceeded"),
        (keys.user_usage(BOT_IDENTITY.team, ADA), 10, "user_budget_exceeded"),
    ):
        for day in (today, today + 1):
            redis.hset(f"{prefix}:{day}", "gpu_ms", seconds * 1000)
        receipt = inbox.check_limits(own)
        assert receipt.outcome == expected
        assert receipt.position in {today, today + 1}
        assert inbox.check_limits(exempt).outcome is accepted


def test_direct_messages_and_previous_versions_have_fewer_budgets() -> None:
    """One person's channel has no budget beside the person's; what needs no engine has none."""
    budgets = DailyBudgets(user_seconds=10, channel_seconds=30)
    job = build_question(1)
    direct = job.model_copy(update={"thread": job.thread.model_copy(update={"channel": "D1"})})
    assert budgets.find_limits_ms(ReceivedMessage(post=post_of(job))) == (10_000, 30_000)
    assert budgets.find_limits_ms(ReceivedMessage(post=post_of(direct))) == (10_000, 0)
    for kind in ReworkKind:
        is_free = budgets.find_limits_ms(build_press(job, kind)) == (0, 0)
        assert is_free == (kind in {ReworkKind.PREVIOUS, ReworkKind.ANOTHER, ReworkKind.SHOW})
