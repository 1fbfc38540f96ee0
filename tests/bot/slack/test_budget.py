"""Budget of the bot's calls: shared buckets, no wait before an acknowledgement, local fallback."""

import threading

import pytest
from redis import Redis
from slack_sdk.errors import SlackApiError

from bot.slack.budget import NoBudgetError, SlackBudget, pace_calls
from bot.slack.client import SlackWebClient
from bot.store.client import connect_redis
from contract.slack_budget import Priority, find_buckets
from testing.slack_events import BOT_IDENTITY
from testing.workspace import ADA, BOT_TOKEN, GENERAL, Workspace

TEAM = BOT_IDENTITY.team


@pytest.fixture
def budget(redis: Redis) -> SlackBudget:
    """Return the budget of one bot."""
    return SlackBudget(redis, TEAM)


@pytest.fixture
def client(workspace: Workspace, budget: SlackBudget) -> SlackWebClient:
    """Return a client as the bot makes it."""
    client = SlackWebClient(token=BOT_TOKEN, base_url=workspace.api_url, retry_handlers=[])
    client.budget = budget
    return client


def count_granted(budget: SlackBudget, priority: Priority, channel: str = "C1") -> int:
    """Take posts without waiting until the budget refuses one; return how many were granted."""
    with pace_calls(priority, max_wait=0):
        for count in range(100):
            try:
                budget.take_call("chat.postMessage", channel)
            except NoBudgetError:
                return count
    raise AssertionError("the budget has no end")


def test_two_bots_share_one_budget(redis: Redis) -> None:
    """A burst is granted once, and signs leave some of it to replies."""
    one, other = SlackBudget(redis, TEAM), SlackBudget(redis, TEAM)
    assert count_granted(one, Priority.BACKGROUND) == 1
    assert count_granted(other, Priority.FINAL) == 2
    assert count_granted(one, Priority.FINAL) == 0
    assert count_granted(one, Priority.FINAL, "C2") == 3


def test_rate_limited_call_blocks_all_processes(
    redis: Redis, client: SlackWebClient, workspace: Workspace
) -> None:
    """After Slack's 429, no call is sent before `Retry-After` is over, by Redis' clock."""
    fault = {"fault": "ratelimited", "retry_after": 30.25, "count": 1}
    workspace.set_faults({"method": "users.info", **fault})
    with pace_calls(Priority.REPLY, max_wait=0):
        with pytest.raises(SlackApiError):
            client.users_info(user=ADA)
        sent = len(workspace.api_calls(method="users.info"))
        with pytest.raises(NoBudgetError) as refused:
            client.users_info(user=ADA)
    workspace.set_faults()
    assert 29 < refused.value.seconds <= 30.25
    assert len(workspace.api_calls(method="users.info")) == sent
    seconds, micros = redis.time()
    (bucket,) = find_buckets(TEAM, "users.info")
    blocked_until = float(redis.hget(bucket.key, "blocked_until") or 0)
    assert blocked_until > (seconds + micros / 1e6 + 29) * 1000


def test_channel_of_a_call_is_found(client: SlackWebClient, redis: Redis) -> None:
    """A post counts in its channel, whichever way the SDK sends its arguments."""
    client.chat_postEphemeral(channel=GENERAL, user=ADA, text="hi")
    _, channel = find_buckets(TEAM, "chat.postEphemeral", GENERAL)
    assert redis.exists(channel.key)


def test_background_call_waits_for_its_token(budget: SlackBudget) -> None:
    """A short wait is waited; a wait beyond the patience fails at once."""
    count_granted(budget, Priority.FINAL)
    with pace_calls(Priority.FINAL, max_wait=10):
        budget.take_call("chat.postMessage", "C1")
    with pace_calls(Priority.BACKGROUND, max_wait=0.5), pytest.raises(NoBudgetError):
        budget.take_call("chat.postMessage", "C1")


def test_further_page_waits_for_its_token(
    redis: Redis, workspace: Workspace, client: SlackWebClient
) -> None:
    """A read that has begun keeps what its first pages cost; its first page does not wait."""
    root = workspace.post_message(ADA, GENERAL, "hello")
    client.budget = SlackBudget(redis, TEAM)
    client.budget.block_calls("conversations.replies", None, 1)
    with pace_calls(Priority.REPLY, max_wait=0, max_page_wait=30):
        with pytest.raises(NoBudgetError):
            client.conversations_replies(channel=GENERAL, ts=root)
        with pytest.raises(SlackApiError, match="invalid_cursor"):
            client.conversations_replies(channel=GENERAL, ts=root, cursor="next")


def test_shutdown_ends_all_waits(budget: SlackBudget) -> None:
    """A bot that stops waits for no budget."""
    budget.block_calls("chat.update", None, 60)
    waiting = threading.Timer(0.2, budget.stop_waiting)
    waiting.start()
    with pace_calls(Priority.REPLY, max_wait=100), pytest.raises(NoBudgetError):
        budget.take_call("chat.update", None)
    waiting.join()


def test_reserved_call_is_paid_once(budget: SlackBudget) -> None:
    """The call after it takes its own token."""
    with pace_calls(Priority.FINAL, max_wait=0, is_prepaid=True):
        budget.take_call("chat.postMessage", "C1")
        budget.take_call("chat.postMessage", "C1")
    assert count_granted(budget, Priority.FINAL) == 2


def test_budget_is_local_while_redis_is_away() -> None:
    """Without Redis a call is neither refused nor unlimited."""
    budget = SlackBudget(connect_redis("redis://127.0.0.1:1"), TEAM)
    budget.block_calls("chat.update", None, 600)
    assert count_granted(budget, Priority.FINAL) in range(3, 10)
    with pace_calls(Priority.FINAL, max_wait=0), pytest.raises(NoBudgetError):
        budget.take_call("chat.update", None)
    budget.take_call("auth.test", None)
