"""Sandbox of the engine's process: what a real child still reaches, beside what it needs."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contract.process_memory import protect_memory
from worker.engine.child_process import PROJECT_ROOT, build_environment
from worker.engine.sandbox import SYSCALLS, checkpoint_paths, wants_sandbox

CHILD: str = """
import json, os, resource, socket, sys, threading
from pathlib import Path
from worker.engine.sandbox import Sandbox, describe_sandbox, readable_paths, writable_paths

secret, checkpoint, port = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
parent = f"/proc/{os.getppid()}"

def attempt(action):
    try:
        action()
    except OSError as error:
        return type(error).__name__
    return "done"

def use_socket_in_thread():
    go.set()
    thread.join()
    if results:
        raise results[0]

def wait_and_open():
    go.wait()
    try:
        socket.socket()
    except OSError as error:
        results.append(error)

go, results = threading.Event(), []
thread = threading.Thread(target=wait_and_open)
sandbox = Sandbox()
sandbox.harden_process()
landlock = sandbox.restrict_thread(readable_paths(checkpoint), writable_paths())
thread.start()
before_load = attempt(lambda: socket.create_connection(("127.0.0.1", port), 5))
seccomp = sandbox.forbid_sockets()
print(json.dumps({
    "landlock": landlock,
    "seccomp": seccomp,
    "state": describe_sandbox(sandbox),
    "forbidden": {
        "environment of the parent": attempt(lambda: Path(parent, "environ").read_bytes()),
        "memory of the parent": attempt(lambda: open(parent + "/mem", "rb")),
        "socket of the parent": attempt(lambda: os.open(parent + "/fd/0", os.O_RDONLY)),
        "secret file": attempt(secret.read_text),
        "secret directory": attempt(lambda: list(secret.parent.iterdir())),
        "new file": attempt(lambda: secret.with_name("new").write_text("x")),
        "signal": attempt(lambda: os.kill(os.getppid(), 0)),
        "TCP connection": before_load,
        "TCP socket": attempt(socket.socket),
        "UDP socket": attempt(lambda: socket.socket(type=socket.SOCK_DGRAM)),
        "Unix socket": attempt(lambda: socket.socket(socket.AF_UNIX)),
        "socket in an older thread": attempt(use_socket_in_thread),
    },
    "allowed": {
        "checkpoint": attempt((checkpoint / "config.json").read_text),
        "linked weights": attempt((checkpoint / "model.safetensors").read_text),
        "temporary file": attempt(Path(os.environ["TMPDIR"], "new").touch),
        "module": attempt(lambda: __import__("sqlite3")),
        "process": attempt(lambda: os.system("true")),
        "own memory map": attempt(Path("/proc/self/maps").read_bytes),
    },
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "status": Path("/proc/self/status").read_text(),
}))
"""


def run_python(code: str, *arguments: str, **variables: str) -> dict[str, Any]:
    """Run a program with the child's environment, and return the JSON that it prints."""
    completed = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=PROJECT_ROOT,
        env=build_environment(os.environ) | variables,
        capture_output=True,
        timeout=60,
        check=True,
    )
    found: dict[str, Any] = json.loads(completed.stdout)
    return found


@pytest.fixture(scope="module")
def attempts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run a sandboxed child that attempts everything."""
    directory = tmp_path_factory.mktemp("sandbox")
    for name in ("secrets", "snapshot", "blobs", "tmp"):
        (directory / name).mkdir()
    secret, checkpoint = directory / "secrets" / "token", directory / "snapshot"
    secret.write_text("xoxb-secret")
    (checkpoint / "config.json").write_text("{}")
    (directory / "blobs" / "weights").write_text("")
    (checkpoint / "model.safetensors").symlink_to("../blobs/weights")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        variables = {"TMPDIR": str(directory / "tmp")}
        found = run_python(CHILD, str(secret), str(checkpoint), port, **variables)
    if not (found["landlock"] and found["seccomp"]):
        pytest.skip(f"this system lacks a part of the sandbox: {found['state']}")
    return found


def test_child_reaches_neither_parent_nor_secrets_nor_network(attempts: dict[str, Any]) -> None:
    """Root has lost the capabilities that would allow it."""
    assert set(attempts["forbidden"].values()) == {"PermissionError"}, attempts["forbidden"]
    assert attempts["state"] == "complete"


def test_child_reaches_what_loading_needs(attempts: dict[str, Any]) -> None:
    """The checkpoint with its links, temporary files, modules and devices."""
    assert set(attempts["allowed"].values()) == {"done"}, attempts["allowed"]


def test_child_has_no_core_dumps_and_no_new_privileges(attempts: dict[str, Any]) -> None:
    """A setuid program gives it nothing."""
    assert attempts["core"] == [0, 0]
    assert "NoNewPrivs:\t1" in attempts["status"]


READER: str = """
import json, sys
from worker.engine.sandbox import Sandbox
Sandbox()._drop_privileges()
try:
    open(f"/proc/{sys.argv[1]}/environ", "rb").read()
except PermissionError:
    print(json.dumps({"read": False}))
else:
    print(json.dumps({"read": True}))
"""


@pytest.mark.parametrize(("protect", "is_readable"), [(protect_memory, False), (int, True)])
def test_protected_process_hides_its_environment(
    protect: Callable[[], object], *, is_readable: bool
) -> None:
    """Also from a process of the same user, and without Landlock."""
    # Without capabilities too: the kernel lets no process read one with more than its own.
    code = (
        "from worker.engine.sandbox import Sandbox; Sandbox()._drop_privileges()\n"
        f"from {protect.__module__} import {protect.__name__} as f; f(); print(flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=PROJECT_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = run_python(READER, str(process.pid))
        process.communicate(b"\n")

    assert found["read"] is is_readable


def test_system_calls_are_listed_for_both_architectures() -> None:
    """The numbers differ, the calls are the same."""
    assert {len(numbers.forbidden) for numbers in SYSCALLS.values()} == {6}


def test_checkpoint_of_one_file_is_readable_alone(tmp_path: Path) -> None:
    """Its directory may hold other things."""
    file = tmp_path / "model.gguf"
    file.touch()

    assert checkpoint_paths(file) == [file]


@pytest.mark.parametrize(
    ("choice", "device", "has_gpu", "expected"),
    [
        ("auto", "auto", False, True),
        ("auto", "cpu", True, True),
        ("auto", "auto", True, False),
        ("auto", "cuda:0", True, False),
        ("on", "cuda:0", True, True),
        ("off", "cpu", False, False),
    ],
)
def test_sandbox_is_automatic_on_a_cpu_only(
    tmp_path: Path, *, choice: str, device: str, has_gpu: bool, expected: bool
) -> None:
    """CUDA is not measured under the sandbox yet."""
    control = tmp_path / "nvidiactl"
    if has_gpu:
        control.touch()
    assert wants_sandbox(choice, device, control) is expected
