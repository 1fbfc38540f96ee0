"""The proxy in front of Redis: nothing without trouble, and each trouble as it is described."""

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
    """A proxy in front of it."""
    with RedisProxy(server.socket) as running:
        yield running


@pytest.fixture
def redis(proxy: RedisProxy) -> Iterator[Redis]:
    """A client that repeats nothing by itself, through the proxy, with an empty counter."""
    with Redis.from_url(proxy.url, socket_timeout=1.0, retry=Retry(NoBackoff(), 0)) as client:
        client.delete("counter")
        yield client


def read_counter(server: RedisServer) -> int:
    """Return the counter as the server has it."""
    with Redis.from_url(server.url) as direct:
        return int(direct.get("counter") or 0)


def test_everything_passes_without_fault(redis: Redis) -> None:
    """Large and small, as if nothing stood between."""
    redis.set("counter", "x" * 1_000_000)
    assert redis.strlen("counter") == 1_000_000


def test_latency_delays_replies(redis: Redis, proxy: RedisProxy) -> None:
    """A round trip takes at least as long."""
    redis.ping()
    proxy.fault = NetworkFault(latency_seconds=0.2)
    started_at = time.monotonic()
    redis.ping()
    assert time.monotonic() - started_at >= 0.2


def test_reset_drops_the_request_before_its_effect(
    redis: Redis, proxy: RedisProxy, server: RedisServer
) -> None:
    """The client learns of a broken connection, the server of nothing."""
    redis.ping()
    proxy.fault = NetworkFault(reset_probability=1.0)
    with pytest.raises(Broken):
        redis.incr("counter")
    assert read_counter(server) == 0


def test_lost_reply_keeps_the_effect(redis: Redis, proxy: RedisProxy, server: RedisServer) -> None:
    """The client learns of a broken connection, and the server has done what it was told."""
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
    """The connection stays and is silent; when the stall is over, all goes on."""
    redis.ping()
    proxy.fault = NetworkFault(stalled=True)
    with pytest.raises(Late):
        redis.incr("counter")
    proxy.fault = NO_FAULT
    assert redis.incr("counter") == read_counter(server) > 0


def test_cut_aborts_open_connections(proxy: RedisProxy) -> None:
    """What is open ends now; a new connection is as good as ever."""
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
    """So many times and not again, until it is set anew."""
    redis.ping()
    proxy.fault = NetworkFault(lost_reply_probability=1.0, max_hits=1)
    with pytest.raises(Broken):
        redis.incr("counter")
    assert redis.incr("counter") == read_counter(server) == 2


def test_refused_fault_rejects_connections(proxy: RedisProxy) -> None:
    """Like a server that is not there, until it is again."""
    proxy.fault = NetworkFault(refused=True)
    assert not _can_connect(proxy)
    proxy.fault = NO_FAULT
    assert _can_connect(proxy)


def test_same_seed_breaks_the_same_requests(server: RedisServer) -> None:
    """The same seed breaks the same requests."""
    runs = [_draw_arrivals(server, seed) for seed in (7, 7, 8)]
    assert runs[0] == runs[1] != runs[2]


def _draw_arrivals(server: RedisServer, seed: int) -> list[bool]:
    """Return which of some requests arrive; each has a connection of its own."""
    with RedisProxy(server.socket, seed) as proxy:
        proxy.fault = NetworkFault(reset_probability=0.3)
        return [_can_connect(proxy) for _ in range(30)]


def _can_connect(proxy: RedisProxy) -> bool:
    with Redis.from_url(proxy.url, retry=Retry(NoBackoff(), 0)) as client:
        try:
            return bool(client.ping())
        except RedisError:
            return False
