"""Thread modes: how, and since which message, the bot participates in a thread."""

import pytest
from redis import Redis

from bot.messages.admission import ThreadMode
from bot.store.thread_modes import ThreadModes
from contract import keys
from contract.job import Thread
from testing.slack_events import BOT_IDENTITY, CHANNEL, message_ts

THREAD = Thread(team=BOT_IDENTITY.team, channel=CHANNEL, ts=message_ts(1))
MODE_KEY = keys.thread_mode(THREAD.team, THREAD.channel, THREAD.ts)
JOINED_KEY = keys.thread_joined(THREAD.team, THREAD.channel, THREAD.ts)


def test_bot_participates_from_the_earliest_question_on(redis: Redis) -> None:
    """Questions may be accepted in any order; both keys live equally long."""
    modes = ThreadModes(redis)
    for number in (5, 3, 7):
        modes.join_thread(THREAD, message_ts(number))

    assert modes.get_mode(THREAD, message_ts(2)) is None
    assert modes.get_mode(THREAD, message_ts(3)) is ThreadMode.AUTO
    assert redis.ttl(MODE_KEY) == redis.ttl(JOINED_KEY) == keys.THREAD_MODE_TTL_SECONDS


def test_command_sets_the_mode_and_a_question_keeps_it(redis: Redis) -> None:
    """A command joins a thread too, for the messages after it."""
    modes = ThreadModes(redis)
    modes.join_thread(THREAD, message_ts(3), ThreadMode.FOLLOW)
    modes.join_thread(THREAD, message_ts(4))

    assert modes.get_mode(THREAD, message_ts(2)) is None
    assert modes.get_mode(THREAD, message_ts(4)) is ThreadMode.FOLLOW


def test_mode_of_a_former_version_counts_for_all_messages(redis: Redis) -> None:
    """A thread that was joined before the time was recorded keeps its follow-ups."""
    redis.set(MODE_KEY, "auto", ex=60)
    modes = ThreadModes(redis)
    modes.join_thread(THREAD, message_ts(5))

    assert modes.get_mode(THREAD, message_ts(2)) is ThreadMode.AUTO


@pytest.mark.parametrize("value", ["soon", "", "nan", b"\xff", "-inf"])
def test_malformed_time_counts_as_unknown(redis: Redis, value: str | bytes) -> None:
    """The thread keeps its follow-ups, and takes further questions."""
    modes = ThreadModes(redis)
    modes.join_thread(THREAD, message_ts(5))
    redis.set(JOINED_KEY, value)

    assert modes.get_mode(THREAD, message_ts(2)) is ThreadMode.AUTO
    modes.join_thread(THREAD, message_ts(6))
    assert modes.get_mode(THREAD, message_ts(6)) is ThreadMode.AUTO


@pytest.mark.parametrize("value", ["loud", "", b"\xff"])
def test_malformed_mode_counts_as_none(redis: Redis, value: str | bytes) -> None:
    """The bot follows such a thread only where it is mentioned."""
    redis.set(MODE_KEY, value)

    assert ThreadModes(redis).get_mode(THREAD, message_ts(2)) is None
