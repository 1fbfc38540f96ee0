"""Slack proxy: a port that forwards, refuses or resets, and a name whose lookup fails."""

import http.client
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.cluster.redis_proxy import NO_FAULT, NetworkFault
from chaos.cluster.slack_proxy import HOST, SlackProxy
from testing import broken_environment
from testing.polling import poll_until
from testing.workspace import ADA, Workspace


@pytest.fixture
def proxy(workspace: Workspace) -> Iterator[SlackProxy]:
    """Return a proxy in front of the workspace."""
    with SlackProxy(workspace.port) as running:
        yield running


def read_status(proxy: SlackProxy) -> int:
    """Request a page of the workspace through the proxy; return its status."""
    with urllib.request.urlopen(
        f"http://{HOST}:{proxy.port}/_page/state?user={ADA}", timeout=5
    ) as answer:
        return int(answer.status)


def test_refused_connections_are_rejected_by_the_system(proxy: SlackProxy) -> None:
    """Connections fail with ECONNREFUSED, and the port is the same afterwards."""
    assert read_status(proxy) == 200
    proxy.fault = NetworkFault(refused=True)
    with pytest.raises(urllib.error.URLError) as refusal:
        read_status(proxy)
    assert isinstance(refusal.value.reason, ConnectionRefusedError)
    proxy.fault = NO_FAULT
    assert poll_until(lambda: _answers_ok(proxy), description="an answer")


def test_reset_fault_breaks_the_first_bytes(proxy: SlackProxy) -> None:
    """The connection is accepted and ends with its first bytes."""
    proxy.fault = NetworkFault(reset_probability=1.0)
    with pytest.raises((OSError, http.client.HTTPException)):
        read_status(proxy)
    proxy.fault = NO_FAULT
    assert read_status(proxy) == 200


def test_name_resolution_fails_while_the_file_exists(tmp_path: Path) -> None:
    """Without the file the name is this machine; other names resolve as usual."""
    asking = tmp_path / "asking.py"
    asking.write_text(
        "import socket, sys\n"
        f"for name in ({broken_environment.HOST_NAME!r}, '127.0.0.2'):\n"
        "    try:\n"
        "        print(socket.getaddrinfo(name, 80)[0][4][0])\n"
        "    except socket.gaierror as error:\n"
        "        print(error.errno == socket.EAI_AGAIN)\n",
        "utf-8",
    )
    file = tmp_path / "nameless"

    def run_lookup() -> list[str]:
        command = [
            sys.executable,
            "-m",
            "testing.broken_environment",
            "resolver",
            str(file),
            "asking",
        ]
        done = subprocess.run(
            command, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True
        )
        return done.stdout.split()

    assert run_lookup() == [HOST, "127.0.0.2"]
    file.touch()
    assert run_lookup() == ["True", "127.0.0.2"]


def _answers_ok(proxy: SlackProxy) -> bool:
    try:
        return read_status(proxy) == 200
    except OSError:
        return False
