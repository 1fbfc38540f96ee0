"""Redis client: short timeouts for requests, retries for background tasks."""

import errno
import importlib.metadata
import time

import pytest
from redis.exceptions import ConnectionError as AwayError

from bot.store.client import connect_redis, decode_reply, retry_redis
from testing.processes import free_port


def test_redis_timeout_is_below_slack_timeout() -> None:
    """A command to an unreachable Redis fails within Slack's 3 s."""
    redis = connect_redis(f"redis://127.0.0.1:{free_port()}/0")
    began = time.monotonic()
    with pytest.raises(AwayError):
        redis.ping()

    assert time.monotonic() - began < 3


def test_background_call_is_retried() -> None:
    """A call of a background task succeeds after Redis is back."""
    left = [AwayError(), AwayError()]

    def call() -> str:
        if left:
            raise left.pop()
        return "done"

    assert retry_redis(call, delays=(0, 0)) == "done"
    left.extend([AwayError(), AwayError()])
    with pytest.raises(AwayError):
        retry_redis(call, delays=(0,))


def test_replies_are_decoded() -> None:
    """Bytes and text replies give the same text."""
    assert decode_reply(b"one") == decode_reply("one") == "one"


def test_connection_opens_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a free descriptor, redis-py's search for its version would be no Redis error."""

    def fail(name: str) -> str:
        raise OSError(errno.EMFILE, name)

    monkeypatch.setattr(importlib.metadata, "version", fail)
    with connect_redis("unix:///nowhere.sock") as client, pytest.raises(AwayError):
        client.ping()
