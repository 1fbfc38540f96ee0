"""Starts of bots around an outage, for tests."""

from redis import Redis

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


def wait_until_serving(workspace: Workspace, redis: Redis, bot: Process) -> None:
    """Wait until a bot is connected and has written a heartbeat."""
    bot.wait_for_event("connected")
    workspace.wait_until_connected()
    poll_until(lambda: redis.hget(CONNECTED, "last"), description="the first heartbeat")
