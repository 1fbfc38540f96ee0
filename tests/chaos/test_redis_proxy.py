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

from chaos.cluster.redis_proxy import CALM, Proxy, Trouble
from testing.redis_server import RedisServer


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """One server for all tests here."""
    with RedisServer() as running:
        yield running


@pytest.fixture
def proxy(server: RedisServer) -> Iterator[Proxy]:
    """A proxy in front of it."""
    with Proxy(server.socket) as running:
        yield running


@pytest.fixture
def redis(proxy: Proxy) -> Iterator[Redis]:
    """A client that repeats nothing by itself, through the proxy, with an empty counter."""
    with Redis.from_url(proxy.url, socket_timeout=1.0, retry=Retry(NoBackoff(), 0)) as client:
        client.delete("counter")
        yield client


def counted(server: RedisServer) -> int:
    """Return the counter as the server has it."""
    with Redis.from_url(server.url) as direct:
        return int(direct.get("counter") or 0)


def test_without_trouble_everything_passes(redis: Redis) -> None:
    """Large and small, as if nothing stood between."""
    redis.set("counter", "x" * 1_000_000)
    assert redis.strlen("counter") == 1_000_000


def test_latency_holds_replies_back(redis: Redis, proxy: Proxy) -> None:
    """A round trip takes at least as long."""
    redis.ping()
    proxy.trouble = Trouble(latency=0.2)
    began = time.monotonic()
    redis.ping()
    assert time.monotonic() - began >= 0.2


def test_a_reset_comes_before_the_effect(redis: Redis, proxy: Proxy, server: RedisServer) -> None:
    """The client learns of a broken connection, the server of nothing."""
    redis.ping()
    proxy.trouble = Trouble(reset=1.0)
    with pytest.raises(Broken):
        redis.incr("counter")
    assert counted(server) == 0


def test_a_lost_reply_comes_after_the_effect(
    redis: Redis, proxy: Proxy, server: RedisServer
) -> None:
    """The client learns of a broken connection, and the server has done what it was told."""
    redis.ping()
    proxy.trouble = Trouble(lose=1.0)
    with pytest.raises(Broken):
        redis.incr("counter")
    assert counted(server) == 1
    proxy.trouble = CALM
    assert redis.incr("counter") == 2


def test_nothing_passes_a_stall(redis: Redis, proxy: Proxy, server: RedisServer) -> None:
    """The connection stays and is silent; when the stall is over, all goes on."""
    redis.ping()
    proxy.trouble = Trouble(stalled=True)
    with pytest.raises(Late):
        redis.incr("counter")
    proxy.trouble = CALM
    assert redis.incr("counter") == counted(server) > 0


def test_connections_are_cut_at_once(proxy: Proxy) -> None:
    """What is open ends now; a new connection is as good as ever."""
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(5)
        wire.connect(str(proxy.socket))
        wire.sendall(b"PING\r\n")
        assert wire.recv(100) == b"+PONG\r\n"
        proxy.cut()
        with contextlib.suppress(ConnectionError):
            assert wire.recv(100) == b""
    assert _reached(proxy)


def test_trouble_may_strike_once(redis: Redis, proxy: Proxy, server: RedisServer) -> None:
    """So many times and not again, until it is set anew."""
    redis.ping()
    proxy.trouble = Trouble(lose=1.0, times=1)
    with pytest.raises(Broken):
        redis.incr("counter")
    assert redis.incr("counter") == counted(server) == 2


def test_whoever_is_away_takes_no_connection(proxy: Proxy) -> None:
    """Like a server that is not there, until it is again."""
    proxy.trouble = Trouble(away=True)
    assert not _reached(proxy)
    proxy.trouble = CALM
    assert _reached(proxy)


def test_the_dice_are_seeded(server: RedisServer) -> None:
    """The same seed breaks the same requests."""
    runs = [_arrived(server, seed) for seed in (7, 7, 8)]
    assert runs[0] == runs[1] != runs[2]


def _arrived(server: RedisServer, seed: int) -> list[bool]:
    """Return which of some requests arrive; each has a connection of its own."""
    with Proxy(server.socket, seed) as proxy:
        proxy.trouble = Trouble(reset=0.3)
        return [_reached(proxy) for _ in range(30)]


def _reached(proxy: Proxy) -> bool:
    with Redis.from_url(proxy.url, retry=Retry(NoBackoff(), 0)) as client:
        try:
            return bool(client.ping())
        except RedisError:
            return False
