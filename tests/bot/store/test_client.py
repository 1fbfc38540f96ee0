"""The bot's connection to Redis gives up soon where somebody waits, and late where nobody does."""

import time

import pytest
from redis.exceptions import ConnectionError as AwayError

from bot.store.client import connect_redis, decode_reply, retry_redis
from testing.processes import free_port


def test_a_redis_that_is_away_costs_no_more_than_slack_waits() -> None:
    """An answer within three seconds is possible only if Redis is given up before."""
    redis = connect_redis(f"redis://127.0.0.1:{free_port()}/0")
    began = time.monotonic()
    with pytest.raises(AwayError):
        redis.ping()

    assert time.monotonic() - began < 3


def test_what_nobody_waits_for_is_tried_again() -> None:
    """A Redis that comes back within seconds is good enough for an errand."""
    left = [AwayError(), AwayError()]

    def call() -> str:
        if left:
            raise left.pop()
        return "done"

    assert retry_redis(call, delays=(0, 0)) == "done"
    left.extend([AwayError(), AwayError()])
    with pytest.raises(AwayError):
        retry_redis(call, delays=(0,))


def test_replies_are_text_however_they_come() -> None:
    """Replies are read the same way whether the client decodes them or not."""
    assert decode_reply(b"one") == decode_reply("one") == "one"
