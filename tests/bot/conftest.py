"""Fixtures of the bot's tests: Redis, a Slack workspace, and a bot process."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.concurrency import BackgroundTasks
from bot.handlers.rules.reader_languages import ReaderLanguages
from bot.slack.users import UserDirectory
from bot.store.client import connect_redis
from contract import keys
from testing.processes import Process
from testing.redis_server import RedisServer
from testing.workspace import ADA, BOT_TOKEN, LIN, STARCHAT, Workspace
from tests.bot.handlers.bot_starts import run_connected_bot
from tests.bot.handlers.rule_parts import build_rule_reader


@pytest.fixture
def redis(server: RedisServer) -> Iterator[Redis]:
    """Connect to an empty Redis, with the sentinel that tells it from data loss."""
    client = connect_redis(server.url)
    with client.pipeline() as pipe:
        pipe.flushall()
        pipe.set(keys.REDIS_SENTINEL, 1)
        pipe.execute()
    yield client
    client.close()


@pytest.fixture
def web(workspace: Workspace) -> WebClient:
    """Return a client of the workspace, as the bot makes it."""
    return WebClient(token=BOT_TOKEN, base_url=workspace.api_url, timeout=10, retry_handlers=[])


@pytest.fixture(scope="module")
def bot(server: RedisServer, workspace: Workspace) -> Iterator[Process]:
    """Run the bot in Socket Mode, connected."""
    with run_connected_bot(workspace, server) as process:
        yield process


@pytest.fixture
def own_channel(workspace: Workspace) -> str:
    """
    Create a channel; return its id.

    The bot may still handle questions of earlier tests. A fault of this channel alone does not
    meet them.
    """
    fields = {"name": f"own-{secrets.token_hex(4)}", "members": [ADA, LIN, STARCHAT]}
    return str(workspace.post_json("_control/create", fields)["channel"])


@pytest.fixture
def background() -> Iterator[BackgroundTasks]:
    """Run background tasks until the test ends."""
    running = BackgroundTasks()
    yield running
    running.drain(5)


@pytest.fixture
def languages(redis: Redis, web: WebClient, tmp_path: Path) -> Iterator[ReaderLanguages]:
    """Return the languages of people in the workspace; no channel has rules."""
    with ThreadPoolExecutor(1) as pool:
        users = UserDirectory(redis, web, pool, pool)
        yield ReaderLanguages(users, build_rule_reader(redis, web, tmp_path))
