"""The wire to Slack: a port that passes all, refuses, resets; a name that may not be resolved."""

import http.client
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.cluster.redis_proxy import CALM, Trouble
from chaos.cluster.slack_proxy import HOST, Wire
from testing.broken_resolver import NAME
from testing.polling import until
from testing.workspace import ADA, Workspace


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    """Open a workspace."""
    with Workspace() as running:
        yield running


@pytest.fixture
def wire(workspace: Workspace) -> Iterator[Wire]:
    """Stand before it."""
    with Wire(workspace.port) as running:
        yield running


def status(wire: Wire) -> int:
    """Ask the workspace something over the wire."""
    with urllib.request.urlopen(
        f"http://{HOST}:{wire.port}/_page/state?user={ADA}", timeout=5
    ) as answer:
        return int(answer.status)


def test_who_is_away_is_refused_by_the_system(wire: Wire) -> None:
    """No connection comes about, and the port is the same afterwards."""
    assert status(wire) == 200
    wire.trouble = Trouble(away=True)
    with pytest.raises(urllib.error.URLError) as refusal:
        status(wire)
    assert isinstance(refusal.value.reason, ConnectionRefusedError)
    wire.trouble = CALM
    assert until(lambda: _passes(wire), what="an answer")


def test_a_handshake_may_be_reset(wire: Wire) -> None:
    """The connection comes about and ends with the first bytes that are sent."""
    wire.trouble = Trouble(reset=1.0)
    with pytest.raises((OSError, http.client.HTTPException)):
        status(wire)
    wire.trouble = CALM
    assert status(wire) == 200


def test_a_name_is_not_resolved_as_long_as_the_file_is_there(tmp_path: Path) -> None:
    """Then it is this machine; other names are what they are."""
    asking = tmp_path / "asking.py"
    asking.write_text(
        "import socket, sys\n"
        f"for name in ({NAME!r}, '127.0.0.2'):\n"
        "    try:\n"
        "        print(socket.getaddrinfo(name, 80)[0][4][0])\n"
        "    except socket.gaierror as error:\n"
        "        print(error.errno == socket.EAI_AGAIN)\n",
        "utf-8",
    )
    file = tmp_path / "nameless"

    def said() -> list[str]:
        command = [sys.executable, "-m", "testing.broken_resolver", str(file), "asking"]
        done = subprocess.run(
            command, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True
        )
        return done.stdout.split()

    assert said() == [HOST, "127.0.0.2"]
    file.touch()
    assert said() == ["True", "127.0.0.2"]


def _passes(wire: Wire) -> bool:
    try:
        return status(wire) == 200
    except OSError:
        return False
