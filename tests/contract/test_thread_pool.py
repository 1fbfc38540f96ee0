"""Thread pools that need no further thread from the system."""

import subprocess
import sys

POOL_SCRIPT = """
import resource, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from contract.thread_pool import eager_thread_pool, start_all_threads

late = ThreadPoolExecutor(4)
made, begun = eager_thread_pool(4, "made"), ThreadPoolExecutor(4)
start_all_threads(begun, 4)
pages = int(Path("/proc/self/statm").read_text().split()[0])
most = pages * resource.getpagesize() + 2**20
resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
try:
    late.submit(print, "late")
except RuntimeError as error:
    print(error)
for one in (made, begun):
    print(sorted(one.map(abs, [-1, -2, -3, -4, -5])))
"""


def test_eager_pool_works_without_new_threads() -> None:
    """The standard library's own pool fails under the same limit."""
    done = subprocess.run(
        [sys.executable, "-c", POOL_SCRIPT], capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines() == ["can't start new thread", *["[1, 2, 3, 4, 5]"] * 2]
