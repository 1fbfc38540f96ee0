"""Policies: the bot refuses guests and other bots as its settings say."""

from collections.abc import Iterator

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot import texts
from bot.slack.users import User
from bot.store.usage_sums import UsageSums
from contract import keys
from contract.rework import ReworkKind
from testing.polling import poll_until
from testing.processes import Process
from testing.queue_inspector import TEAM, find_job, job_turns, pending_job_ids
from testing.redis_server import RedisServer
from testing.workspace import (
    ADA,
    DEPLOYBOT,
    GENERAL,
    LIN,
    SAM,
    STARCHAT,
    Workspace,
)
from tests.bot.handlers.rework_steps import point_to_earlier, press_control, wait_for_word


@pytest.fixture(scope="module", autouse=True)
def members_only_bot(server: RedisServer, workspace: Workspace) -> Iterator[Process]:
    """Run a bot for members and one other bot, with a queue of two questions."""
    policy = {
        "STARCHAT_GUESTS": "deny",
        "STARCHAT_ALLOWED_BOTS": "B0DEPLOY01",
        "STARCHAT_MAX_PENDING": "2",
        "STARCHAT_DAILY_GPU_SECONDS_PER_USER": "60",
    }
    with Process("bot", REDIS_URL=server.url, **policy, **workspace.environment) as process:
        process.wait_for_event("connected")
        yield process


@pytest.fixture(autouse=True)
def restore_workspace(workspace: Workspace) -> Iterator[None]:
    """Remove injected faults after each test."""
    yield
    workspace.set_faults()


def ask_in_general(workspace: Workspace, text: str, user: str = ADA) -> str:
    """Post in #general and wait until it is acknowledged."""
    ts = workspace.post_raw(GENERAL, text, user=user)
    poll_until(
        lambda: (
            all(e["acked_at"] for e in workspace.delivery_attempts(ts))
            and workspace.delivery_attempts(ts)
        )
    )
    return ts


MENTION = f"<@{STARCHAT}>"


def test_member_is_answered_if_guests_are_denied(workspace: Workspace, redis: Redis) -> None:
    """A user whose lookup shows a member may ask."""
    assert find_job(redis, GENERAL, ask_in_general(workspace, f"{MENTION} hi", LIN)) is not None


def test_guest_is_refused_by_ephemeral_message(workspace: Workspace, redis: Redis) -> None:
    """Only the guest sees the refusal."""
    redis.set(
        keys.user_profile(TEAM, SAM),
        User(name="Sam", is_guest=True).model_dump_json(),
    )
    start = len(workspace.api_calls())
    ts = ask_in_general(workspace, f"{MENTION} hi", SAM)
    poll_until(
        lambda: workspace.api_calls(start, "chat.postEphemeral"), description="an ephemeral message"
    )

    assert find_job(redis, GENERAL, ts) is None
    assert len(workspace.api_calls(start, "chat.postEphemeral")) == 1


def test_guest_does_not_have_a_question_answered_anyway(
    workspace: Workspace, redis: Redis, web: WebClient
) -> None:
    """Nor by the press of a button below a member's question."""
    ts = ask_in_general(workspace, f"{MENTION} sort a list")
    poll_until(lambda: find_job(redis, GENERAL, ts), description="the job")
    reply = point_to_earlier(workspace, redis, web, ts)
    guest = User(name="Sam", is_guest=True)
    redis.set(keys.user_profile(TEAM, SAM), guest.model_dump_json())
    press_control(workspace, reply, ReworkKind.ANYWAY, SAM)
    wait_for_word(workspace, ts, str(texts.MEMBERS_ONLY), SAM)
    poll_until(lambda: not pending_job_ids(redis), description="the end of the job")


def test_member_is_answered_after_a_failed_lookup(workspace: Workspace, redis: Redis) -> None:
    """The message is acknowledged, and its author is looked up again."""
    workspace.set_faults({"method": "users.info", "fault": "ratelimited", "count": 1})
    ts = ask_in_general(workspace, f"{MENTION} hi")

    assert find_job(redis, GENERAL, ts) is not None


def test_allowed_bot_may_ask_by_mention(workspace: Workspace, redis: Redis) -> None:
    """A listed bot's message without a mention is no question."""
    asked = ask_in_general(workspace, f"{MENTION} what failed?", DEPLOYBOT)
    said = ask_in_general(workspace, "Build 7 failed", DEPLOYBOT)

    assert job_turns(redis, GENERAL, asked) == [("deploybot", "what failed?")]
    assert find_job(redis, GENERAL, said) is None


def test_full_queue_is_refused_once_with_wait(workspace: Workspace, redis: Redis) -> None:
    """The refusal is posted once and says when to ask again."""
    for user in (ADA, LIN):
        ask_in_general(workspace, f"{MENTION} hi", user)
    since = len(workspace.api_calls())
    ts = ask_in_general(workspace, f"{MENTION} me too", LIN)
    poll_until(lambda: workspace.api_calls(since, "chat.postEphemeral"), description="a notice")
    workspace.redeliver_events(ts)
    poll_until(lambda: len(workspace.delivery_attempts(ts)) == 4)
    poll_until(lambda: all(e["acked_at"] for e in workspace.delivery_attempts(ts)))

    [call] = workspace.api_calls(since, "chat.postEphemeral")
    assert call["args"]["text"] == str(texts.queue_full(None))
    assert len(pending_job_ids(redis)) == 2


def test_used_up_budget_is_refused_to_its_user_alone(workspace: Workspace, redis: Redis) -> None:
    """An ephemeral word says when it resets; another person is answered."""
    today = UsageSums(redis).count_days()
    for day in (today, today + 1):
        redis.hset(f"{keys.user_usage(TEAM, LIN)}:{day}", "gpu_ms", 60_000)
    since = len(workspace.api_calls())
    refused = ask_in_general(workspace, f"{MENTION} one more", LIN)
    poll_until(lambda: workspace.api_calls(since, "chat.postEphemeral"), description="a notice")

    [call] = workspace.api_calls(since, "chat.postEphemeral")
    assert call["args"]["user"] == LIN
    assert call["args"]["text"] in {
        str(texts.user_budget_exceeded(day)) for day in (today, today + 1)
    }
    assert find_job(redis, GENERAL, refused) is None
    assert find_job(redis, GENERAL, ask_in_general(workspace, f"{MENTION} hi")) is not None
