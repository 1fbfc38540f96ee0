"""Protection of a process's memory, where the system has it and where not."""

import ctypes
import resource
import subprocess
import sys
from typing import Final

import pytest

from contract.process_memory import PR_SET_DUMPABLE, protect_memory
from testing.environment import REPOSITORY, clean_environment

PR_GET_DUMPABLE: Final = 3
"""See prctl(2)."""
CODE = """
import ctypes, resource, sys
sys.platform = {platform!r}
from contract.process_memory import protect_memory
protect_memory()
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE)[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
@pytest.mark.parametrize(("platform", "state"), [("linux", "0 0"), ("other", "1 0")])
def test_memory_is_hidden_and_never_dumped(platform: str, state: str) -> None:
    """Without Linux's call, core dumps are still forbidden."""
    completed = subprocess.run(
        [sys.executable, "-c", CODE.format(platform=platform)],
        cwd=REPOSITORY,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert completed.stdout.strip() == state


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
@pytest.mark.parametrize(("platform", "is_dumpable"), [("linux", 0), ("other", 1)])
def test_only_linux_is_asked_to_hide_memory(
    monkeypatch: pytest.MonkeyPatch, platform: str, is_dumpable: int
) -> None:
    """The state of this process is restored: other tests read what its children may show."""
    limits: list[tuple[int, tuple[int, int]]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda *arguments: limits.append(arguments))
    monkeypatch.setattr(sys, "platform", platform)
    libc = ctypes.CDLL(None)
    before = libc.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)
    try:
        libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
        protect_memory()
        found = libc.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)
    finally:
        libc.prctl(PR_SET_DUMPABLE, before, 0, 0, 0)

    assert (found, limits) == (is_dumpable, [(resource.RLIMIT_CORE, (0, 0))])
