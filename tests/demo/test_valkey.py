"""The demo's Valkey server: start, takeover, restart with its data, and stop."""

import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis

from demo.valkey import PLAIN_PATH_PATTERN, Valkey, ValkeyError, find_server
from testing.redis_server import find_embedded_server

Home = Path


@pytest.fixture
def home() -> Iterator[Home]:
    """A directory with a short path, as a socket needs it; its server is stopped after the test."""
    folder = Path(tempfile.mkdtemp(prefix="demo-"))
    yield folder
    Valkey(folder).stop_server()
    shutil.rmtree(folder)


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_packaged_server_is_sufficient(home: Home) -> None:
    """Without a server on PATH, the packaged one is used."""
    valkey = Valkey(home, find_embedded_server())
    valkey.ensure_running()
    with Redis.from_url(valkey.url) as client:
        version = client.info("server")["valkey_version"]
    valkey.stop_server()

    assert int(version.split(".")[0]) >= 9


def test_socket_is_private_to_owner(home: Home) -> None:
    """No port is open, and the socket and its directory have mode 700."""
    valkey = Valkey(home)
    valkey.ensure_running()

    with Redis.from_url(valkey.url) as client:
        assert client.config_get("port") == {"port": "0"}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE(valkey.socket_path.stat().st_mode) == 0o700
    valkey.stop_server()


def test_second_start_reuses_running_server(home: Home) -> None:
    """A second start finds the same server and can stop it."""
    first, second = Valkey(home), Valkey(home)
    first.ensure_running()
    second.ensure_running()
    pid = first.query_pid()

    assert pid is not None
    assert second.query_pid() == pid
    second.stop_server()
    assert first.query_pid() is None
    first.stop_server()


def test_concurrent_starts_create_one_server(home: Home) -> None:
    """The lock admits one start; the others take the server over."""
    several = [Valkey(home) for _ in range(4)]
    # The parent death signal follows the starting thread, so the pool must outlive the servers.
    with ThreadPoolExecutor() as pool:
        list(pool.map(Valkey.ensure_running, several))

        assert len({valkey.query_pid() for valkey in several}) == 1
        for valkey in several:
            valkey.stop_server()


def test_restart_after_kill_keeps_data(home: Home) -> None:
    """A write acknowledged before the kill survives the restart."""
    valkey = Valkey(home)
    valkey.ensure_running()
    with Redis.from_url(valkey.url) as client:
        client.set("starchat:test", "kept")
    pid = valkey.query_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with Redis.from_url(valkey.url) as client:
        valkey.ensure_running()
        assert client.get("starchat:test") == b"kept"

    assert valkey.query_pid() != pid
    valkey.stop_server()


def test_stop_is_idempotent(home: Home) -> None:
    """The process has exited when the stop returns, and a second stop does nothing."""
    valkey = Valkey(home)
    valkey.ensure_running()
    pid = valkey.query_pid()
    assert pid is not None
    valkey.stop_server()

    assert _is_gone(pid)
    valkey.stop_server()


def test_invalid_server_program_is_reported(home: Home) -> None:
    """The error names the log file."""
    with pytest.raises(ValkeyError, match=r"valkey\.log"):
        Valkey(home, Path("/bin/false")).ensure_running()


def test_long_path_moves_socket_to_tmp(home: Home) -> None:
    """The length of a socket's path is limited; the path of a checkout is not."""
    deep = Valkey(home / ("deep" * 30))
    deep.ensure_running()
    try:
        assert deep.query_pid() is not None
        assert stat.S_IMODE(deep.socket_path.parent.stat().st_mode) == 0o700
    finally:
        deep.stop_server()
        shutil.rmtree(deep.socket_path.parent)


def test_socket_directory_of_other_owner_is_refused(home: Home) -> None:
    """Another user could create the directory under /tmp first; then it is not used."""
    deep = home / ("deep" * 30)
    folder = Valkey(deep).socket_path.parent
    folder.chmod(0o755)
    try:
        with pytest.raises(ValkeyError, match="another user"):
            Valkey(deep)
    finally:
        folder.rmdir()


def test_packaged_server_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is installed later on PATH changes nothing."""
    own = tmp_path / "valkey-server"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_server() == find_embedded_server()


def test_other_server_gets_its_own_data(home: Home) -> None:
    """Debian's older server starts after the packaged one, and each finds its own data again."""
    debian = shutil.which("redis-server")
    if debian is None:
        pytest.skip("needs Debian's redis-server")
    for program in (find_embedded_server(), Path(debian), find_embedded_server()):
        valkey = Valkey(home, program)
        valkey.ensure_running()
        with Redis.from_url(valkey.url) as client:
            runs = client.incr(f"runs:{program}")
            names = {key.decode() for key in client.scan_iter()}
        valkey.stop_server()

    assert (runs, names) == (2, {f"runs:{program}"})


def test_unreadable_data_is_put_aside_with_a_warning(home: Home) -> None:
    """The demo starts with an empty queue, and the person learns where the data is."""
    warnings: list[str] = []
    valkey = Valkey(home, find_embedded_server(), warnings.append)
    valkey.ensure_running()
    with Redis.from_url(valkey.url) as client:
        client.set("starchat:test", "kept")
    valkey.stop_server()
    (log,) = home.glob("valkey-*/appendonlydir/*.incr.aof")
    log.write_bytes(b"$x" + log.read_bytes())
    valkey.ensure_running()
    with Redis.from_url(valkey.url) as client:
        assert client.dbsize() == 0
    valkey.stop_server()

    (aside,) = home.glob("*-unreadable")
    assert list(aside.glob("appendonlydir/*.incr.aof"))
    assert warnings == [f"Valkey could not read its data, which is now in {aside}"]


def test_readable_data_stays_if_server_can_not_start(home: Home) -> None:
    """If the server does not start without the data either, the data was not the cause."""
    data = home / "false"
    data.mkdir()
    (data / "appendonly.aof").write_text("kept", "utf-8")
    with pytest.raises(ValkeyError, match=r"valkey\.log"):
        Valkey(home, Path("/bin/false")).ensure_running()

    assert [path.name for path in data.iterdir()] == ["appendonly.aof"]


@pytest.mark.parametrize("name", ["my project", "a#b", "a?b", "50%25", "ünï", "a=b 'c' \"d\""])
def test_any_directory_name_is_possible(home: Home, name: str) -> None:
    """A blank or a sign with a meaning in URLs does not reach the socket's path."""
    valkey = Valkey(home / name)
    valkey.ensure_running()
    with Redis.from_url(valkey.url) as client:
        client.set("starchat:test", "kept")
    valkey.stop_server()

    assert PLAIN_PATH_PATTERN.fullmatch(str(valkey.socket_path))
    assert list((home / name).glob("valkey-*/appendonlydir/*.incr.aof"))
    valkey.socket_path.parent.rmdir()
