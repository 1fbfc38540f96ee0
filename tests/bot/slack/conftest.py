"""Fixture of a bot in HTTP mode."""

from collections.abc import Iterator

import pytest

from bot.store.client import connect_redis
from contract import keys
from testing.polling import poll_until
from testing.processes import Process, free_port
from testing.redis_server import RedisServer
from testing.slack_events import (
    BOT_IDENTITY,
)
from testing.workspace import Workspace
from tests.bot.slack.signed_requests import SECRET, BotPort


@pytest.fixture(scope="module")
def port(server: RedisServer, workspace: Workspace) -> Iterator[BotPort]:
    """Run the bot in HTTP mode; it declines people of other workspaces, as by default."""
    port, health = free_port(), free_port()
    ports = {"PORT": str(port), "HEALTH_PORT": str(health)}
    variables = workspace.environment | {"SLACK_SIGNING_SECRET": SECRET} | ports
    del variables["SLACK_APP_TOKEN"]
    with Process("bot", REDIS_URL=server.url, **variables) as process:
        assert process.wait_for_event("ready")["mode"] == "HttpMode"
        with connect_redis(server.url) as redis:
            poll_until(
                lambda: redis.exists(keys.connection_window(BOT_IDENTITY.team)),
                description="the first note",
            )
        yield BotPort(port, health)
        assert process.stop_process() == 0
