"""
Pytest fixtures that several packages of tests share: a Redis server and a Slack workspace.

`tests/conftest.py` loads them as a plugin. A conftest below it may override one of them.
"""

from collections.abc import Iterator

import pytest
from redis import Redis

from testing.fork_server import forked_engine_environment
from testing.redis_server import RedisServer
from testing.workspace import Workspace


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """Run one Redis server for all tests of a module."""
    with RedisServer() as running:
        yield running


@pytest.fixture
def redis(server: RedisServer) -> Iterator[Redis]:
    """Connect to the module's Redis server, emptied before each test."""
    with Redis.from_url(server.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def forked_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test's own `EngineClient` get its engines from the fork server."""
    for name, value in forked_engine_environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    """Run one fakeslack workspace for all tests of a module."""
    with Workspace() as running:
        yield running
