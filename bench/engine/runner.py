"""Starts the peers' processes on one core and lets them play in turns."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bench.engine import environment, workload
from bench.engine.checkpoint import MODEL, TINY, checkpoint
from bench.engine.load_generator import Played

PEERS: Final = ("pipeline", "static", "continuous", "vllm", "llama.cpp", "ours")
OWN_ENVIRONMENT: Final = tuple(environment.PACKAGES)
ONE_BY_ONE: Final = ("pipeline", "static")
MOST_ONE_BY_ONE: Final = 32
"""More requests at once only take these longer, and they take longest."""
ARRIVALS: Final = {"burst": workload.burst, "poisson": workload.poisson}
REPOSITORY: Final = Path(__file__).parents[2]
AGAIN: Final = "ours, thread read again"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is played. `poisson` and `counts` are numbers of requests."""

    peers: tuple[str, ...]
    counts: tuple[int, ...]
    poisson: tuple[int, ...]
    threads: bool
    rounds: int
    tiny: bool = False

    @property
    def plays(self) -> list[tuple[str, int]]:
        """How requests arrive, and how many."""
        return [("burst", n) for n in self.counts] + [("poisson", n) for n in self.poisson]

    @property
    def ids(self) -> int:
        """Prompts have ids below this."""
        return 500 if self.tiny else workload.IDS[1]


@dataclass(slots=True)
class Found:
    """All rounds of all peers; the rounds of one play are in the same order for each peer."""

    plays: dict[str, dict[int, dict[str, list[Played]]]]
    """By arrivals, number of requests and peer."""
    threads: dict[str, list[Played]]


class Process:
    """A peer in a process of its own."""

    def __init__(self, name: str, directory: Path, slots: int) -> None:
        self.name = name
        python = environment.python(name) if name in OWN_ENVIRONMENT else Path(sys.executable)
        core = max(os.sched_getaffinity(0))
        self._child = subprocess.Popen(
            [python, "-m", "bench.engine.child", name, directory, str(slots), str(core)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if os.isatty(2) else subprocess.DEVNULL,
            text=True,
            cwd=REPOSITORY,
        )

    def ready(self) -> None:
        """Wait until the model is loaded and warm."""
        self._read()

    def play(self, asked: dict[str, Any]) -> Played:
        """Send one line and wait for the one that answers it."""
        assert self._child.stdin is not None  # noqa: S101
        self._child.stdin.write(json.dumps(asked) + "\n")
        self._child.stdin.flush()
        return Played(**self._read())

    def _read(self) -> dict[str, Any]:
        assert self._child.stdout is not None  # noqa: S101
        line = self._child.stdout.readline()
        if not line:
            raise SystemExit(f"bench engine: {self.name} ended; see what it says on a terminal")
        read: dict[str, Any] = json.loads(line)
        return read

    def close(self) -> None:
        """Let the process end, and end it where it does not."""
        assert self._child.stdin is not None  # noqa: S101
        self._child.stdin.close()
        try:
            self._child.wait(30)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()


def run(plan: Plan) -> Found:
    """Play every count by every peer `rounds` times, a round of all before the next one."""
    found = Found({}, {})
    with _processes(plan) as processes:
        for arrivals, count in plan.plays:
            for number in range(plan.rounds):
                _round(found, processes, plan, (arrivals, count, number))
        for number in range(plan.rounds if plan.threads else 0):
            _threads(found, processes, plan, number)
    return found


@contextmanager
def _processes(plan: Plan) -> Iterator[list[Process]]:
    directory = checkpoint(TINY if plan.tiny else MODEL)
    slots = max(*plan.counts, *plan.poisson, 1)
    with ExitStack() as stack:
        processes = []
        for name in plan.peers:
            processes.append(Process(name, directory, slots))
            stack.callback(processes[-1].close)
        for process in processes:
            process.ready()
            _say(f"{process.name} is loaded")
        yield processes


def _round(
    found: Found, processes: Sequence[Process], plan: Plan, what: tuple[str, int, int]
) -> None:
    arrivals, count, number = what
    wishes = ARRIVALS[arrivals](count, 1000 * count + number, most=plan.ids)
    asked = {"wishes": [asdict(wish) for wish in wishes]}
    for process in processes:
        if process.name in ONE_BY_ONE and (arrivals != "burst" or count > MOST_ONE_BY_ONE):
            continue
        played = process.play(asked)
        counts = found.plays.setdefault(arrivals, {})
        counts.setdefault(count, {}).setdefault(process.name, []).append(played)
        _say(f"{arrivals} of {count}, round {number + 1}, {process.name}: {played.seconds:.1f} s")


def _threads(found: Found, processes: Sequence[Process], plan: Plan, number: int) -> None:
    said = workload.messages(number, most=plan.ids)
    for process in processes:
        if process.name in ONE_BY_ONE:
            continue
        kept = {process.name: f"thread-{number}"}
        if process.name == "ours":
            kept = {AGAIN: "", "ours": f"thread-{number}"}
        for name, thread in kept.items():
            played = process.play({"said": said, "new": workload.ANSWER, "thread": thread})
            found.threads.setdefault(name, []).append(played)
            _say(f"a thread, round {number + 1}, {name}: {played.seconds:.1f} s")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
