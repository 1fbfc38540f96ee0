"""Starts of bots around an outage, for tests."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis

from bot.slack.socket_mode import CONNECTIONS
from contract import keys
from testing.polling import poll_until
from testing.processes import Process
from testing.queue_inspector import TEAM
from testing.redis_server import RedisServer
from testing.workspace import Workspace

CONNECTED = keys.connection_window(TEAM)


def start_bot(workspace: Workspace, server: RedisServer, **variables: str) -> Process:
    """Start a bot."""
    return Process("bot", REDIS_URL=server.url, **(workspace.environment | variables))


@contextmanager
def run_connected_bot(
    workspace: Workspace, server: RedisServer, **variables: str
) -> Iterator[Process]:
    """Run a bot in Socket Mode, with all of its connections open."""
    with start_bot(workspace, server, **variables) as process:
        for _ in range(CONNECTIONS):
            process.wait_for_event("connected")
        workspace.wait_until_connected()
        yield process


def wait_until_serving(workspace: Workspace, redis: Redis, bot: Process) -> None:
    """Wait until a bot is connected and has written a heartbeat."""
    bot.wait_for_event("connected")
    workspace.wait_until_connected()
    poll_until(lambda: redis.hget(CONNECTED, "last"), description="the first heartbeat")


def begin_outage(workspace: Workspace, redis: Redis, server: RedisServer) -> None:
    """Kill a bot that has served: what comes now reaches no bot."""
    with start_bot(workspace, server) as bot:
        wait_until_serving(workspace, redis, bot)
        bot.kill_group()
