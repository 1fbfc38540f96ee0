"""
Resource limits: no more files, threads or memory for bots and workers.

New threads are prevented by a limit of the address space, which leaves none for their stacks.
`RLIMIT_NPROC` counts all processes of a user, and does not bind root.
"""

import resource
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from chaos.recovery import parse_log
from chaos.run import ScenarioRun
from chaos.scenario import Action, Scenario
from testing.process_tree import count_open_files
from testing.processes import Process

LIMIT_SECONDS: Final = 5.0
"""Duration of a limit."""
MIB: Final = 2**20


def read_address_space(process: Process) -> int:
    """Return the address space of a process in bytes."""
    pages = Path(f"/proc/{process.pid}/statm").read_text("ascii").split()[0]
    return int(pages) * resource.getpagesize()


USAGE_BY_LIMIT: Final[Mapping[int, Callable[[Process], int]]] = {
    resource.RLIMIT_NOFILE: lambda process: count_open_files(process.pid),
    resource.RLIMIT_AS: read_address_space,
}


def limit_resource(limit: int, spare: int, name: str, *, unnoticed: bool = False) -> Action:
    """
    Return an action that limits a resource to its use at rest and `spare` more.

    If `unnoticed`, no process may log an error.
    """

    def limit_processes(run: ScenarioRun) -> None:
        running = (*run.cluster.bots, *run.cluster.workers)
        before = _count_errors(running)
        for process in running:
            _set_limit(process, limit, USAGE_BY_LIMIT[limit](process) + spare)
            run.faults[name] += 1
        asked = run.ask_questions(run.scale_count(30, 10), seconds=LIMIT_SECONDS / 2)
        # New connections need the most of it.
        run.cluster.workspace.control_sockets("drop")
        asked += run.ask_questions(run.scale_count(30, 10), seconds=LIMIT_SECONDS / 2)
        answered = len(asked) - len(run.watcher.find_open(asked))
        for process in running:
            if process.poll() is not None:
                run.failures.append(f"{process.module} exited")
            else:
                _set_limit(process, limit, resource.RLIM_INFINITY)
        restored_at = time.monotonic()
        unanswered = run.wait_for_replies()
        if unanswered:
            run.failures.append(f"{len(unanswered)} without a reply")
        errors = _count_errors(running) - before
        if unnoticed and errors:
            run.failures.append(f"{errors} errors logged")
        run.notes.append(
            f"{errors} errors logged, {answered} of {len(asked)} answered during the fault"
        )
        run.notes.append(f"all {time.monotonic() - restored_at:.1f} s after the limit was lifted")

    return limit_processes


def _count_errors(processes: Iterable[Process]) -> int:
    return sum(line.get("level") == "error" for process in processes for line in parse_log(process))


def _set_limit(process: Process, limit: int, maximum: int) -> None:
    _, hard = resource.prlimit(process.pid, limit)
    soft = hard if maximum == resource.RLIM_INFINITY else maximum
    resource.prlimit(process.pid, limit, (soft, hard))


RESOURCES_EXHAUSTED: Final = (
    Scenario(
        "file-descriptors-exhausted",
        "C3",
        "only three more file descriptors for bots and workers, 5 s",
        limit_resource(resource.RLIMIT_NOFILE, 3, "few files"),
    ),
    Scenario(
        "threads-exhausted",
        "C3t",
        "no new threads for bots and workers, 5 s",
        limit_resource(resource.RLIMIT_AS, 0, "no threads", unnoticed=True),
    ),
    Scenario(
        "memory-exhausted",
        "C3m",
        "only 20 MiB more memory for bots and workers, 5 s",
        limit_resource(resource.RLIMIT_AS, 20 * MIB, "little memory"),
    ),
)
