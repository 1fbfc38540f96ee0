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
        press = ReceivedRework(
            thread=job.thread,
            ts=job.ts,
            user=job.user,
            user_team=job.user_team,
            files=frozenset(),
            rework=Rework(kind=kind, reply_id="0"),
            pressed_at="9.9",
        )
        is_free = budgets.find_limits_ms(press) == (0, 0)
        assert is_free == (kind in {ReworkKind.PREVIOUS, ReworkKind.ANOTHER, ReworkKind.SHOW})
