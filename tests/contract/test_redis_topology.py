"""Redis servers of both processes: a failover to another server, and a cluster's node."""

import subprocess
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import redis

from bot.store.client import connect_redis, refuse_cluster
from contract.base_settings import REDIS_CLUSTER_ERROR
from contract.settings import SettingsError
from testing.polling import poll_until
from testing.processes import free_port
from testing.redis_server import RedisServer, find_server
from worker.app import _is_cluster_node, _open_redis_connections
from worker.settings import Settings

WRITE_SCRIPT = "return redis.call('SET', KEYS[1], ARGV[1])"


class FailoverPair:
    """Two servers, and an address that leads to the first, and after a failover to the second."""

    def __init__(self, first: RedisServer, second: RedisServer, address: Path) -> None:
        self.second = second
        self._first = first
        self._address = address
        address.symlink_to(first.socket)
        self.url = f"unix://{address}"

    def fail_over(self) -> None:
        """Make the first server a replica, which keeps its connections, and lead to the second."""
        with redis.Redis.from_url(self._first.url) as client:
            client.replicaof("127.0.0.1", 1)
        self._address.unlink()
        self._address.symlink_to(self.second.socket)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[FailoverPair]:
    """Two empty servers."""
    with RedisServer() as first, RedisServer() as second:
        yield FailoverPair(first, second, tmp_path / "redis.sock")


@pytest.mark.parametrize("write", ["command", "script", "pipeline"])
def test_bot_leaves_a_demoted_server(pair: FailoverPair, write: str) -> None:
    """A replica's refusal has executed nothing, so the write is repeated on the new server."""
    with connect_redis(pair.url) as client:
        client.ping()
        pair.fail_over()
        if write == "script":
            client.eval(WRITE_SCRIPT, 1, write, "1")
        elif write == "command":
            client.set(write, 1)
        else:
            client.pipeline().set(write, 1).execute()
    with redis.Redis.from_url(pair.second.url) as second:
        assert second.exists(write) == 1


async def test_worker_leaves_a_demoted_server(pair: FailoverPair) -> None:
    """The heartbeat has no time for a second attempt: its next one reaches the new server."""
    settings = Settings(slack_bot_token="xoxb-test", redis_url=pair.url)  # type: ignore[arg-type]
    async with AsyncExitStack() as stack:
        rq_redis, heartbeat_redis, async_redis = await _open_redis_connections(settings, stack)
        for client in (rq_redis, heartbeat_redis):
            client.ping()
        await async_redis.ping()
        pair.fail_over()

        rq_redis.set("rq", 1)
        with pytest.raises(redis.ReadOnlyError):
            heartbeat_redis.set("heartbeat", 1)
        heartbeat_redis.set("heartbeat", 1)
        await async_redis.set("async", 1)
    with redis.Redis.from_url(pair.second.url) as second:
        assert second.exists("rq", "heartbeat", "async") == 3


@pytest.fixture
def cluster_node(tmp_path: Path) -> Iterator[redis.Redis]:
    """A server in cluster mode."""
    port = free_port()
    # By default the cluster's bus listens at `port` + 10000, which may be too high for a port.
    bus = ["--cluster-enabled", "yes", "--cluster-port", str(free_port())]
    arguments = ["--port", str(port), *bus, "--save", ""]
    with (
        subprocess.Popen(
            [find_server(), *arguments, "--bind", "127.0.0.1", "--dir", str(tmp_path)],
            stdout=subprocess.DEVNULL,
        ) as process,
        redis.Redis(port=port) as client,
    ):
        try:
            poll_until(lambda: _answers(client), description="the node")
            yield client
        finally:
            process.kill()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def test_cluster_is_refused_at_the_start(cluster_node: redis.Redis, pair: FailoverPair) -> None:
    """One server passes, and so does one that does not answer."""
    with pytest.raises(SettingsError, match=REDIS_CLUSTER_ERROR):
        refuse_cluster(cluster_node)
    assert _is_cluster_node(cluster_node)
    with connect_redis(pair.url) as client, connect_redis("unix:///nowhere.sock") as absent:
        for server in (client, absent):
            refuse_cluster(server)
            assert not _is_cluster_node(server)
