"""The Redis server that the tests run on."""

from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from testing.redis_server import RedisServer, find_embedded_server, find_server


@pytest.mark.parametrize("server", [find_server, find_embedded_server])
def test_write_survives_a_kill_and_a_restart(server: Callable[[], Path]) -> None:
    """Killing the server loses nothing that it has acknowledged."""
    with RedisServer(server()) as running, redis.Redis.from_url(running.url) as client:
        client.set("turn", "kept")
        running.kill_server()
        running.restart_server()

        assert client.get("turn") == b"kept"
        running.restart_server()
        assert client.get("turn") == b"kept"


def test_stopped_server_removes_its_directory() -> None:
    """A stopped server leaves no files."""
    server = RedisServer()
    server.stop_server()

    assert not server.socket.parent.exists()
