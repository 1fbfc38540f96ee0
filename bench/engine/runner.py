"""Runner of the engine benchmark: starts one process per engine and runs them in turns."""

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
from bench.engine.checkpoint import MODEL_CONFIG, TINY_MODEL_CONFIG, ensure_checkpoint
from bench.engine.load_generator import RunResult
from worker.engine.child_process import DEFAULT_ENV

ENGINES: Final = ("pipeline", "static", "continuous", "vllm", "llama.cpp", "ours")
ISOLATED_ENGINES: Final = tuple(environment.ENGINE_PACKAGES)
FORMAT_ENGINES: Final = {
    "float32": ENGINES,
    "bfloat16": ENGINES,
    "float16": ("llama.cpp", "ours"),
    "int8": ("llama.cpp", "ours"),
}
"""Engines that have each number format on a CPU; int8 is Q8_0 in llama.cpp."""
BLOCKING_ENGINES: Final = ("pipeline", "static")
MAX_BLOCKING_REQUESTS: Final = 32
"""Maximum requests at once for these engines, which are the slowest."""
ARRIVAL_GENERATORS: Final = {"burst": workload.draw_burst, "poisson": workload.draw_poisson_stream}
REPOSITORY: Final = Path(__file__).parents[2]
OWN_ENGINE: Final = "ours"
UNCACHED_ENGINE: Final = "ours, no prefix cache"


@dataclass(frozen=True, slots=True)
class BenchmarkPlan:
    """Engines and workloads of a run. `burst_counts` and `poisson_counts` are request counts."""

    engines: tuple[str, ...]
    burst_counts: tuple[int, ...]
    poisson_counts: tuple[int, ...]
    include_threads: bool
    rounds: int
    use_tiny_model: bool = False
    dtype: str = "float32"

    @property
    def workloads(self) -> list[tuple[str, int]]:
        """Arrival pattern and number of requests of each workload."""
        return [("burst", n) for n in self.burst_counts] + [
            ("poisson", n) for n in self.poisson_counts
        ]

    @property
    def token_id_limit(self) -> int:
        """Exclusive upper bound of the token ids in prompts."""
        return 500 if self.use_tiny_model else workload.TOKEN_ID_RANGE[1]


@dataclass(slots=True)
class BenchmarkResults:
    """Results of all rounds; the rounds of one workload have the same order for each engine."""

    runs: dict[str, dict[int, dict[str, list[RunResult]]]]
    """Rounds by arrival pattern, number of requests and engine."""
    threads: dict[str, list[RunResult]]


class EngineProcess:
    """A separate process that runs one engine."""

    def __init__(self, name: str, directory: Path, slots: int, dtype: str) -> None:
        self.name = name
        python = (
            environment.ensure_python(name) if name in ISOLATED_ENGINES else Path(sys.executable)
        )
        core = max(os.sched_getaffinity(0))
        self._process = subprocess.Popen(
            [python, "-m", "bench.engine.child", name, directory, str(slots), str(core), dtype],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if os.isatty(2) else subprocess.DEVNULL,
            text=True,
            cwd=REPOSITORY,
            env={**(DEFAULT_ENV if name == OWN_ENGINE else {}), **os.environ},
        )

    def wait_until_ready(self) -> None:
        """Wait until the model is loaded and warmed up."""
        self._receive_result()

    def run_command(self, command: dict[str, Any]) -> RunResult:
        """Send one command and wait for its result."""
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return RunResult(**self._receive_result())

    def _receive_result(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"bench engine: {self.name} exited; run on a terminal to see why")
        result: dict[str, Any] = json.loads(line)
        return result

    def close_process(self) -> None:
        """Close the input and wait for the exit; kill the process after 30 seconds."""
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def run_plan(plan: BenchmarkPlan) -> BenchmarkResults:
    """Run every workload on every engine, `rounds` times; engines alternate within a round."""
    results = BenchmarkResults({}, {})
    with _start_processes(plan) as processes:
        for arrivals, count in plan.workloads:
            for number in range(plan.rounds):
                _run_round(results, processes, plan, (arrivals, count, number))
        for number in range(plan.rounds if plan.include_threads else 0):
            _run_threads(results, processes, plan, number)
    return results


@contextmanager
def _start_processes(plan: BenchmarkPlan) -> Iterator[list[EngineProcess]]:
    directory = ensure_checkpoint(TINY_MODEL_CONFIG if plan.use_tiny_model else MODEL_CONFIG)
    slots = max(*plan.burst_counts, *plan.poisson_counts, 1)
    with ExitStack() as stack:
        processes = []
        for name in plan.engines:
            processes.append(EngineProcess(name, directory, slots, plan.dtype))
            stack.callback(processes[-1].close_process)
        for process in processes:
            process.wait_until_ready()
            _print_progress(f"{process.name} is loaded")
        yield processes


def _run_round(
    results: BenchmarkResults,
    processes: Sequence[EngineProcess],
    plan: BenchmarkPlan,
    round_key: tuple[str, int, int],
) -> None:
    arrivals, count, number = round_key
    requests = ARRIVAL_GENERATORS[arrivals](
        count, 1000 * count + number, token_id_limit=plan.token_id_limit
    )
    command = {"requests": [asdict(request) for request in requests]}
    for process in processes:
        if process.name in BLOCKING_ENGINES and (
            arrivals != "burst" or count > MAX_BLOCKING_REQUESTS
        ):
            continue
        result = process.run_command(command)
        counts = results.runs.setdefault(arrivals, {})
        counts.setdefault(count, {}).setdefault(process.name, []).append(result)
        _print_progress(
            f"{arrivals} of {count}, round {number + 1}, {process.name}: {result.cpu_seconds:.1f} s"
        )


def _run_threads(
    results: BenchmarkResults, processes: Sequence[EngineProcess], plan: BenchmarkPlan, number: int
) -> None:
    messages = workload.draw_thread_messages(number, token_id_limit=plan.token_id_limit)
    for process in processes:
        if process.name in BLOCKING_ENGINES:
            continue
        thread_ids = {process.name: f"thread-{number}"}
        if process.name == OWN_ENGINE:
            thread_ids = {UNCACHED_ENGINE: "", OWN_ENGINE: f"thread-{number}"}
        for name, thread_id in thread_ids.items():
            result = process.run_command(
                {
                    "messages": messages,
                    "max_new_tokens": workload.ANSWER_TOKENS,
                    "thread_id": thread_id,
                }
            )
            results.threads.setdefault(name, []).append(result)
            _print_progress(f"a thread, round {number + 1}, {name}: {result.cpu_seconds:.1f} s")


def _print_progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
