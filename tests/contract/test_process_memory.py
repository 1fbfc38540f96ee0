"""Protection of a process's memory, where the system has it and where not."""

import subprocess
import sys

import pytest

from testing.processes import REPOSITORY, clean_environment

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
