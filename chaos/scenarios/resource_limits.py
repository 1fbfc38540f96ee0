"""
Rows in which the system denies bots and workers something: files, threads, memory.

Threads are denied by their stacks: `RLIMIT_NPROC` counts all of a user's, and none of root's,
but a process that may have no more address space can begin no thread either.
"""

import resource
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from chaos.recovery import events
from chaos.run import Trial
from chaos.scenario import Act, Row
from testing.processes import Process

SHORT: Final = 5.0
"""Seconds for which a limit lasts."""
MIB: Final = 2**20
Limit = Callable[[Process], None]


def files(process: Process) -> int:
    """Return how many files a process has open."""
    return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))


def space(process: Process) -> int:
    """Return the bytes of address space that a process has."""
    pages = Path(f"/proc/{process.pid}/statm").read_text("ascii").split()[0]
    return int(pages) * resource.getpagesize()


USED: Final[Mapping[int, Callable[[Process], int]]] = {
    resource.RLIMIT_NOFILE: files,
    resource.RLIMIT_AS: space,
}


def short_of(what: int, spare: int, name: str, *, quiet: bool = False) -> Act:
    """
    Return the row in which processes get hardly more of this than they have while at rest.

    `quiet` says that none of them may even notice.
    """

    def act(trial: Trial) -> None:
        running = (*trial.stage.bots, *trial.stage.workers)
        before = _errors(running)
        for process in running:
            _limit(process, what, USED[what](process) + spare)
            trial.faults[name] += 1
        asked = trial.ask(trial.many(30, 10), over=SHORT / 2)
        # What is opened anew needs the most of it.
        trial.stage.workspace.sockets("drop")
        asked += trial.ask(trial.many(30, 10), over=SHORT / 2)
        answered = len(asked) - len(trial.following.open(asked))
        for process in running:
            if process.poll() is not None:
                trial.broken.append(f"{process.room} ended by itself")
            else:
                _limit(process, what, resource.RLIM_INFINITY)
        enough = time.monotonic()
        left = trial.settle()
        if left:
            trial.broken.append(f"{len(left)} without a reply")
        errors = _errors(running) - before
        if quiet and errors:
            trial.broken.append(f"{errors} errors logged")
        trial.notes.append(f"{errors} errors logged, {answered} of {len(asked)} answered meanwhile")
        trial.notes.append(f"all {time.monotonic() - enough:.1f} s after there was enough again")

    return act


def _errors(processes: Iterable[Process]) -> int:
    return sum(line.get("level") == "error" for one in processes for line in events(one))


def _limit(process: Process, what: int, most: int) -> None:
    _, hard = resource.prlimit(process.pid, what)
    soft = hard if most == resource.RLIM_INFINITY else most
    resource.prlimit(process.pid, what, (soft, hard))


ROWS: Final = (
    Row(
        "C3",
        "bots and workers may open three files more, for 5 s",
        short_of(resource.RLIMIT_NOFILE, 3, "few files"),
    ),
    Row(
        "C3t",
        "bots and workers can begin no thread, for 5 s",
        short_of(resource.RLIMIT_AS, 0, "no threads", quiet=True),
    ),
    Row(
        "C3m",
        "bots and workers get 20 MiB more, for 5 s",
        short_of(resource.RLIMIT_AS, 20 * MIB, "little memory"),
    ),
)
