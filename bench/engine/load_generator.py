"""Load generator: sends requests to one engine and records the time of each token. Pure Python."""

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from bench.engine.workload import RequestSpec

STATUS_FILE: Final = Path("/proc/self/status")
CLEAR_REFS_FILE: Final = Path("/proc/self/clear_refs")
"""Writing 5 to it resets the process's peak memory (see proc_pid_clear_refs(5))."""


class BenchmarkEngine(ABC):
    """An engine with a loaded model, driven step by step."""

    streams_tokens: bool
    """Whether tokens arrive one by one instead of at the end of a reply."""

    @property
    @abstractmethod
    def has_work(self) -> bool:
        """Whether any request is unfinished."""

    @abstractmethod
    def add_request(self, request: RequestSpec) -> None:
        """Add a request, sampled greedily, that ends only by its length."""

    @abstractmethod
    def run_step(self) -> Sequence[tuple[str, int]]:
        """Run until there are new tokens; return each with its request id."""

    def close_engine(self) -> None:  # noqa: B027 - most engines have nothing to stop
        """Stop the engine's threads and processes; by default it has none."""


class CpuClock:
    """Clock of CPU seconds that skips idle time until the next arrival."""

    def __init__(self) -> None:
        self._started_at = time.process_time()
        self._skipped_seconds = 0.0

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds since the start."""
        return time.process_time() - self._started_at

    @property
    def elapsed_seconds(self) -> float:
        """CPU seconds and skipped seconds since the start."""
        return self.cpu_seconds + self._skipped_seconds

    def skip_to(self, moment: float) -> None:
        """Advance the clock to a moment without waiting."""
        self._skipped_seconds += max(0.0, moment - self.elapsed_seconds)


@dataclass(frozen=True, slots=True)
class RunResult:
    """
    One engine's result: CPU seconds, and seconds of `CpuClock`.

    `first_token_seconds` count from arrival; `token_gap_seconds` lie between two tokens of one
    reply and are empty if the engine does not stream.
    """

    cpu_seconds: float
    first_token_seconds: list[float]
    token_gap_seconds: list[float]
    peak_memory_mib: float


def run_requests(
    engine: BenchmarkEngine, requests: Sequence[RequestSpec]
) -> tuple[RunResult, dict[str, list[int]]]:
    """Send all requests at their arrival times; return the result and the replies by request id."""
    pending = deque(sorted(requests, key=lambda request: request.arrival_seconds))
    token_times: dict[str, list[float]] = {request.request_id: [] for request in requests}
    replies: dict[str, list[int]] = {request.request_id: [] for request in requests}
    _reset_peak_memory()
    clock = CpuClock()
    while pending or engine.has_work:
        if not engine.has_work:
            clock.skip_to(pending[0].arrival_seconds)
        while pending and pending[0].arrival_seconds <= clock.elapsed_seconds:
            engine.add_request(pending.popleft())
        tokens = engine.run_step()
        now = clock.elapsed_seconds
        for request_id, token in tokens:
            token_times[request_id].append(now)
            replies[request_id].append(token)
    seconds = clock.cpu_seconds
    firsts = [token_times[request.request_id][0] - request.arrival_seconds for request in requests]
    gaps = [
        after - before
        for times in token_times.values()
        for before, after in pairwise(times)
        if engine.streams_tokens
    ]
    return RunResult(seconds, firsts, gaps, _read_peak_memory_mib()), replies


def run_thread(
    engine: BenchmarkEngine,
    messages: Sequence[tuple[int, ...]],
    max_new_tokens: int,
    thread_id: str,
) -> tuple[RunResult, dict[str, list[int]]]:
    """Run a thread turn by turn; each prompt holds all earlier messages and replies."""
    prompt_ids: tuple[int, ...] = ()
    seconds, firsts, gaps, memory = 0.0, [], [], 0.0
    replies: dict[str, list[int]] = {}
    for number, message in enumerate(messages):
        prompt_ids += message
        result, reply = run_requests(
            engine, [RequestSpec(str(number), prompt_ids, max_new_tokens, thread_id=thread_id)]
        )
        prompt_ids += tuple(reply[str(number)])
        replies |= reply
        seconds += result.cpu_seconds
        firsts += result.first_token_seconds
        gaps += result.token_gap_seconds
        memory = max(memory, result.peak_memory_mib)
    return RunResult(seconds, firsts, gaps, memory), replies


def _reset_peak_memory() -> None:
    try:
        CLEAR_REFS_FILE.write_text("5", "ascii")
    except OSError:
        return  # without permission the peak covers the whole life of the process


def _read_peak_memory_mib() -> float:
    line = next(
        line for line in STATUS_FILE.read_text("ascii").splitlines() if line.startswith("VmHWM:")
    )
    return int(line.split()[1]) / 1024
