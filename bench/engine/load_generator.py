"""Plays requests to one peer and notes when each token is there; needs no model library."""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, Protocol

from bench.engine.workload import RequestSpec

STATUS_FILE: Final = Path("/proc/self/status")
CLEAR_REFS_FILE: Final = Path("/proc/self/clear_refs")
"""Writing 5 there makes the kernel forget the highest memory so far (see `man proc`)."""


class BenchmarkEngine(Protocol):
    """One engine with the model loaded, and a way to let it go on a little."""

    streams_tokens: bool
    """Whether tokens are seen one by one, and not all at a reply's end."""

    @property
    def has_work(self) -> bool:
        """Whether any request is not over."""
        ...

    def add_request(self, request: RequestSpec) -> None:
        """Take a request in; greedy, and no end but its length."""
        ...

    def run_step(self) -> Sequence[tuple[str, int]]:
        """Go on until something is there: new tokens with the names of their requests."""
        ...

    def close_engine(self) -> None:
        """End whatever runs beside the caller."""
        ...


class CpuClock:
    """CPU seconds of this process, and the time until the next arrival where it has no work."""

    def __init__(self) -> None:
        self._started_at = time.process_time()
        self._skipped_seconds = 0.0

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds so far."""
        return time.process_time() - self._started_at

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the beginning."""
        return self.cpu_seconds + self._skipped_seconds

    def skip_to(self, moment: float) -> None:
        """Let the time until a moment pass at once."""
        self._skipped_seconds += max(0.0, moment - self.elapsed_seconds)


@dataclass(frozen=True, slots=True)
class RunResult:
    """
    How one peer did: CPU seconds, and seconds of the clock.

    `firsts` are the times from arrival to the first token, `gaps` those between two tokens of one
    reply (none where replies are seen whole), `memory` the most MiB that the process had.
    """

    cpu_seconds: float
    first_token_seconds: list[float]
    token_gap_seconds: list[float]
    peak_memory_mib: float


def run_requests(
    engine: BenchmarkEngine, requests: Sequence[RequestSpec]
) -> tuple[RunResult, dict[str, list[int]]]:
    """Let a peer answer all requests as they arrive; also returns the replies."""
    pending = deque(sorted(requests, key=lambda wish: wish.arrival_seconds))
    token_times: dict[str, list[float]] = {wish.request_id: [] for wish in requests}
    replies: dict[str, list[int]] = {wish.request_id: [] for wish in requests}
    _reset_peak_memory()
    clock = CpuClock()
    while pending or engine.has_work:
        if not engine.has_work:
            clock.skip_to(pending[0].arrival_seconds)
        while pending and pending[0].arrival_seconds <= clock.elapsed_seconds:
            engine.add_request(pending.popleft())
        tokens = engine.run_step()
        now = clock.elapsed_seconds
        for name, token in tokens:
            token_times[name].append(now)
            replies[name].append(token)
    seconds = clock.cpu_seconds
    firsts = [token_times[wish.request_id][0] - wish.arrival_seconds for wish in requests]
    gaps = [
        after - before
        for seen in token_times.values()
        for before, after in pairwise(seen)
        if engine.streams_tokens
    ]
    return RunResult(seconds, firsts, gaps, _read_peak_memory_mib()), replies


def run_thread(
    engine: BenchmarkEngine,
    messages: Sequence[tuple[int, ...]],
    max_new_tokens: int,
    thread_id: str,
) -> tuple[RunResult, dict[str, list[int]]]:
    """Let a peer answer turn by turn; each prompt is all that was said before, both sides."""
    prompt_ids: tuple[int, ...] = ()
    seconds, firsts, gaps, memory = 0.0, [], [], 0.0
    replies: dict[str, list[int]] = {}
    for number, message in enumerate(messages):
        prompt_ids += message
        result, found = run_requests(
            engine, [RequestSpec(str(number), prompt_ids, max_new_tokens, thread_id=thread_id)]
        )
        prompt_ids += tuple(found[str(number)])
        replies |= found
        seconds += result.cpu_seconds
        firsts += result.first_token_seconds
        gaps += result.token_gap_seconds
        memory = max(memory, result.peak_memory_mib)
    return RunResult(seconds, firsts, gaps, memory), replies


def _reset_peak_memory() -> None:
    try:
        CLEAR_REFS_FILE.write_text("5", "ascii")
    except OSError:
        return  # not allowed everywhere; then the peak is that of the whole life so far


def _read_peak_memory_mib() -> float:
    line = next(
        line for line in STATUS_FILE.read_text("ascii").splitlines() if line.startswith("VmHWM:")
    )
    return int(line.split()[1]) / 1024
