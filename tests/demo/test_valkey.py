"""The demo's own Valkey: started, taken over, brought back with its data, and stopped."""

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

from demo.valkey import Valkey, ValkeyError, server
from testing.redis_server import embedded

Home = Path


@pytest.fixture
def home() -> Iterator[Home]:
    """A folder with a short path, as a socket needs it; what serves there ends with the test."""
    folder = Path(tempfile.mkdtemp(prefix="demo-"))
    yield folder
    Valkey(folder).stop()
    shutil.rmtree(folder)


def _ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_the_package_alone_is_enough(home: Home) -> None:
    """With nothing from apt the server is the one inside the package."""
    valkey = Valkey(home, embedded())
    valkey.start()
    with Redis.from_url(valkey.url) as client:
        version = client.info("server")["valkey_version"]
    valkey.stop()

    assert int(version.split(".")[0]) >= 9


def test_nobody_else_can_reach_it(home: Home) -> None:
    """No port is open, and the socket and its folder are for their owner alone."""
    valkey = Valkey(home)
    valkey.start()

    with Redis.from_url(valkey.url) as client:
        assert client.config_get("port") == {"port": "0"}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE(valkey.socket.stat().st_mode) == 0o700
    valkey.stop()


def test_a_second_start_takes_over_the_one_that_is_alive(home: Home) -> None:
    """Whoever starts next finds the same server, and may stop it."""
    first, second = Valkey(home), Valkey(home)
    first.start()
    second.start()
    pid = first.pid()

    assert pid is not None
    assert second.pid() == pid
    second.stop()
    assert first.pid() is None
    first.stop()


def test_two_starts_at_once_make_one_server(home: Home) -> None:
    """The lock decides who starts; the other one takes over."""
    several = [Valkey(home) for _ in range(4)]
    # The kernel ends a leashed process with the thread that started it, not only with the process.
    with ThreadPoolExecutor() as pool:
        list(pool.map(Valkey.start, several))

        assert len({valkey.pid() for valkey in several}) == 1
        for valkey in several:
            valkey.stop()


def test_a_killed_server_comes_back_with_its_data(home: Home) -> None:
    """What was acknowledged before the kill is there after the next start."""
    valkey = Valkey(home)
    valkey.start()
    with Redis.from_url(valkey.url) as client:
        client.set("starchat:test", "kept")
    pid = valkey.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with Redis.from_url(valkey.url) as client:
        valkey.start()
        assert client.get("starchat:test") == b"kept"

    assert valkey.pid() != pid
    valkey.stop()


def test_stopping_leaves_nothing_and_may_be_repeated(home: Home) -> None:
    """The process is gone when `stop` returns, and a second `stop` has nothing to do."""
    valkey = Valkey(home)
    valkey.start()
    pid = valkey.pid()
    assert pid is not None
    valkey.stop()

    assert _ended(pid)
    valkey.stop()


def test_a_program_that_is_no_server_is_reported(home: Home) -> None:
    """The error names the log, so that the person can look."""
    with pytest.raises(ValkeyError, match=r"valkey\.log"):
        Valkey(home, Path("/bin/false")).start()


def test_a_deep_checkout_gets_its_socket_elsewhere(home: Home) -> None:
    """A unix socket's path is limited, the path of a checkout is not."""
    deep = Valkey(home / ("deep" * 30))
    deep.start()
    try:
        assert deep.pid() is not None
        assert stat.S_IMODE(deep.socket.parent.stat().st_mode) == 0o700
    finally:
        deep.stop()
        shutil.rmtree(deep.socket.parent)


def test_a_socket_folder_of_somebody_else_is_refused(home: Home) -> None:
    """Under /tmp anyone could have made the folder first; then we stay out of it."""
    deep = home / ("deep" * 30)
    folder = Valkey(deep).socket.parent
    folder.chmod(0o755)
    try:
        with pytest.raises(ValkeyError, match="somebody else"):
            Valkey(deep)
    finally:
        folder.rmdir()


def test_a_server_on_path_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An administrator's own server wins over the package's; without either one says so."""
    own = tmp_path / "valkey-server"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert server() == own
    own.unlink()

    assert server() == embedded()
