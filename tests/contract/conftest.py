"""A Redis server for the contract's tests, empty at the beginning of each."""

from collections.abc import Iterator

import pytest
from redis import Redis

from testing.redis_server import RedisServer
from tests.contract.queue_scripts import QueueScripts


@pytest.fixture(scope="session")
def server() -> Iterator[RedisServer]:
    """One server for all tests here."""
    with RedisServer() as running:
        yield running


@pytest.fixture
def redis(server: RedisServer) -> Iterator[Redis]:
    """A client of the server, which is empty."""
    with Redis.from_url(server.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def places(redis: Redis) -> QueueScripts:
    """The scripts on the empty server."""
    return QueueScripts(redis)
