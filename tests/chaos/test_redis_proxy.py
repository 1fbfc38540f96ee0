"""Redis proxy: transparent without a fault, and each fault as described."""

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Broken
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as Late
from redis.retry import Retry

from chaos.cluster.redis_proxy import NO_FAULT, NetworkFault, RedisProxy
from testing.redis_server import RedisServer


@pytest.fixture
def proxy(server: RedisServer) -> Iterator[RedisProxy]:
    """Return a proxy in front of the server."""
    with RedisProxy(server.socket) as running:
        yield running


@pytest.fixture
def redis(proxy: RedisProxy) -> Iterator[Redis]:
    """Return a client without retries through the proxy, with an empty counter."""
    with Redis.from_url(proxy.url, socket_timeout=1.0, retry=Retry(NoBackoff(), 0)) as client:
        client.delete("counter")
        yield client


def read_counter(server: RedisServer) -> int:
    """Return the counter on the server."""
    with Redis.from_url(server.url) as direct:
        return int(direct.get("counter") or 0)


def test_everything_passes_without_fault(redis: Redis) -> None:
    """A large value passes unchanged."""
    redis.set("counter", "x" * 1_000_000)
    assert redis.strlen("counter") == 1_000_000


def test_latency_delays_replies(redis: Redis, proxy: RedisProxy) -> None:
    """A round trip takes at least the latency."""
    redis.ping()
    proxy.fault = NetworkFault(latency_seconds=0.2)
    started_at = time.monotonic()
    redis.ping()
    assert time.monotonic() - started_at >= 0.2


def test_reset_drops_the_request_before_its_effect(
    redis: Redis, proxy: RedisProxy, server: RedisServer
) -> None:
    """The client sees a broken connection, the server no request."""
    redis.ping()
    proxy.fault = NetworkFault(reset_probability=1.0)
    with pytest.raises(Broken):
        redis.incr("counter")
    assert read_counter(server) == 0


def test_lost_reply_keeps_the_effect(redis: Redis, proxy: RedisProxy, server: RedisServer) -> None:
    """The client sees a broken connection after the server executed the command."""
    redis.ping()
    proxy.fault = NetworkFault(lost_reply_probability=1.0)
    with pytest.raises(Broken):
        redis.incr("counter")
    assert read_counter(server) == 1
    proxy.fault = NO_FAULT
    assert redis.incr("counter") == 2


def test_stall_passes_nothing_until_it_ends(
    redis: Redis, proxy: RedisProxy, server: RedisServer
) -> None:
    """The connection stays open, and works after the stall."""
    redis.ping()
    proxy.fault = NetworkFault(stalled=True)
    with pytest.raises(Late):
        redis.incr("counter")
    proxy.fault = NO_FAULT
    assert redis.incr("counter") == read_counter(server) > 0


def test_cut_aborts_open_connections(proxy: RedisProxy) -> None:
    """Open connections end; a new connection works."""
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(5)
        wire.connect(str(proxy.socket))
        wire.sendall(b"PING\r\n")
        assert wire.recv(100) == b"+PONG\r\n"
        proxy.cut_connections()
        with contextlib.suppress(ConnectionError):
            assert wire.recv(100) == b""
    assert _can_connect(proxy)


def test_fault_hits_at_most_max_hits_times(
    redis: Redis, proxy: RedisProxy, server: RedisServer
) -> None:
    """Later requests pass."""
    redis.ping()
    proxy.fault = NetworkFault(lost_reply_probability=1.0, max_hits=1)
    with pytest.raises(Broken):
        redis.incr("counter")
    assert redis.incr("counter") == read_counter(server) == 2


def test_refused_fault_rejects_connections(proxy: RedisProxy) -> None:
    """New connections fail until the fault ends."""
    proxy.fault = NetworkFault(refused=True)
    assert not _can_connect(proxy)
    proxy.fault = NO_FAULT
    assert _can_connect(proxy)


def test_same_seed_breaks_the_same_requests(server: RedisServer) -> None:
    """Another seed breaks other requests."""
    runs = [_draw_arrivals(server, seed) for seed in (7, 7, 8)]
    assert runs[0] == runs[1] != runs[2]


def _draw_arrivals(server: RedisServer, seed: int) -> list[bool]:
    """Return which of 30 requests arrive, each on a new connection."""
    with RedisProxy(server.socket, seed) as proxy:
        proxy.fault = NetworkFault(reset_probability=0.3)
        return [_can_connect(proxy) for _ in range(30)]


def _can_connect(proxy: RedisProxy) -> bool:
    with Redis.from_url(proxy.url, retry=Retry(NoBackoff(), 0)) as client:
        try:
            return bool(client.ping())
        except RedisError:
            return False
