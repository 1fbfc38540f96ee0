"""
Pytest fixtures that several packages of tests share: a Redis server and a Slack workspace.

`tests/conftest.py` loads them as a plugin. A conftest below it may override one of them.
"""

import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest
from redis import Redis
from structlog.testing import capture_logs

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


@pytest.fixture
def read_logs() -> Iterator[Callable[[], str]]:
    """A function that returns all log output so far, of the product and of libraries."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    root, parser = logging.getLogger(), logging.getLogger("markdown_it")
    levels = {logger: logger.level for logger in (root, parser)}
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    # This one logs each rule that it enters, and no text.
    parser.setLevel(logging.INFO)
    with capture_logs() as events:
        yield lambda: json.dumps(events, default=str) + written.getvalue()
    root.removeHandler(handler)
    for logger, level in levels.items():
        logger.setLevel(level)
