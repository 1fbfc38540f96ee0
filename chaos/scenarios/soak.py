"""
Soak: users ask for minutes or hours while 1 % of calls fail.

`make soak` runs it; `make chaos` does not. It checks what a process must not accumulate: memory,
open files, keys in Redis without an expiry.
"""

import threading
import time
from collections import defaultdict
from contextlib import suppress
from typing import Final, Self

from redis import Redis

from chaos.checker.growth import hourly_slope, median_rise, skip_warm_up
from chaos.cluster.cluster import UNLIMITED_SETTINGS, ClusterSpec
from chaos.cluster.redis_proxy import NetworkFault
from chaos.run import ScenarioRun
from chaos.scenario import Scenario
from contract import keys
from testing.polling import poll_until
from testing.process_tree import count_open_files, find_engine, resident_mib

SECONDS_PER_MINUTE: Final = 60.0
MENTIONS_PER_SECOND: Final = 1.5
"""Rate of the questions."""
ROUND_SECONDS: Final = 10.0
"""Seconds of questions that are drawn at once."""
SAMPLE_INTERVAL_SECONDS: Final = 2.0
"""Interval between two samples of the processes."""
RESULT_TTL_SECONDS: Final = 60
"""Seconds that RQ keeps a finished job here, instead of an hour."""
NO_EXPIRY: Final = -1
"""Redis' TTL of a key without expiry."""
EXPIRY_MARGIN_SECONDS: Final = 30.0
"""Maximum delay of an expiry."""
MIN_GROWTH_MINUTES: Final = 15.0
"""Minimum length of a soak whose memory growth is judged."""
MAX_HOURLY_GROWTH: Final = 0.1
"""Share of its memory that a process may add in an hour."""
MAX_NEW_FILES: Final = 3
"""File descriptors that a process may add."""
FAULT_RULES: Final = (
    {"fault": "ratelimited", "method": "chat.*", "probability": 0.0025, "retry_after": 1},
    {"fault": "status", "method": "*", "probability": 0.0025},
    {"fault": "drop_after", "method": "chat.*", "probability": 0.0025},
    {"fault": "drop_before", "method": "*", "probability": 0.0025},
)
"""1 % of the calls, in all."""
CONNECTION_FAULT: Final = NetworkFault(reset_probability=0.0005, lost_reply_probability=0.0005)
PERMANENT_KEYS: Final = {
    keys.WORKER_STATUSES: 2,
    keys.PENDING_JOBS: 0,
    "rq:queues": 1,
    "rq:workers": 2,
    "rq:workers:starchat": 2,
    "rq:finished:starchat": 0,
    "rq:failed:starchat": 0,
}
"""Keys that may have no expiry, and the members each may have when the queue is empty."""


def build_soak(minutes: float) -> Scenario:
    """Return a soak of this length."""

    def run_soak(run: ScenarioRun) -> None:
        assert run.cluster.redis_proxy is not None
        run.cluster.workspace.set_faults(
            *FAULT_RULES, deliveries={"duplicate": 0.01}, seed=run.rng.randint(0, 999)
        )
        run.cluster.redis_proxy.fault = CONNECTION_FAULT
        ends_at = time.monotonic() + minutes * SECONDS_PER_MINUTE
        with ProcessSampler(run) as samples:
            while time.monotonic() < ends_at:
                run.ask_questions(round(MENTIONS_PER_SECOND * ROUND_SECONDS), seconds=ROUND_SECONDS)
        run.cluster.clear_faults()
        run.wait_for_replies()
        _check_growth(run, samples, minutes)
        _check_permanent_keys(run)

    return Scenario("soak", "L2", f"{minutes:g} minutes of questions, 1 % of calls fail", run_soak)


class ProcessSampler:
    """Samples memory (MiB) and open files of each process every two seconds."""

    def __init__(self, run: ScenarioRun) -> None:
        cluster = run.cluster
        self._processes = [
            (process.module, process.pid) for process in (*cluster.bots, *cluster.workers)
        ]
        self._processes += [("engine", find_engine(worker.pid)) for worker in cluster.workers]
        self.memory: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
        self.files: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sample_processes, name="sampler", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _sample_processes(self) -> None:
        while not self._stopped.wait(SAMPLE_INTERVAL_SECONDS):
            now = time.monotonic()
            for name, pid in self._processes:
                self.memory[name].append((now, resident_mib(pid)))
                self.files[name].append((now, count_open_files(pid)))


def _check_growth(run: ScenarioRun, samples: ProcessSampler, minutes: float) -> None:
    for name, series in samples.memory.items():
        last_amount, growth = series[-1][1], hourly_slope(skip_warm_up(series))
        files = median_rise(skip_warm_up(samples.files[name]))
        run.notes.append(f"{name} {last_amount:.0f} MiB, {growth:+.1f} MiB/h, {files:+.0f} files")
        if minutes >= MIN_GROWTH_MINUTES and growth > MAX_HOURLY_GROWTH * last_amount:
            run.failures.append(f"{name} grows by {growth:.1f} MiB in an hour")
        if files > MAX_NEW_FILES:
            run.failures.append(f"{name} has {files:.0f} files more open than before")


def _check_permanent_keys(run: ScenarioRun) -> None:
    """Wait until finished jobs have expired; fail the run for unexpected keys without expiry."""
    with run.cluster.connect_redis() as redis:
        with suppress(AssertionError):
            poll_until(
                lambda: not _find_leftover_keys(redis),
                timeout=RESULT_TTL_SECONDS + EXPIRY_MARGIN_SECONDS,
            )
        run.failures += _find_leftover_keys(redis)
        key_count = redis.dbsize()
    run.notes.append(
        f"{key_count} keys left, all with an expiry but the {len(PERMANENT_KEYS)} expected"
    )


def _find_leftover_keys(redis: Redis) -> list[str]:
    """Return the keys that no expiry removes although the queue is empty."""
    found = []
    for key in redis.scan_iter("*", count=1000):
        name = key.decode()
        if redis.ttl(key) == NO_EXPIRY:
            maximum, members = PERMANENT_KEYS.get(name), _count_members(redis, name)
            if maximum is None or members > maximum:
                found.append(f"{name} has no expiry and {members} members")
        elif name.startswith("rq:job:"):
            found.append(f"{name} is still there")
    return found


def _count_members(redis: Redis, name: str) -> int:
    match redis.type(name):
        case b"zset":
            return int(redis.zcard(name))
        case b"set":
            return int(redis.scard(name))
        case b"hash":
            return int(redis.hlen(name))
        case b"list":
            return int(redis.llen(name))
    return 1


CLUSTER: Final = ClusterSpec(
    with_redis_proxy=True,
    settings=(*UNLIMITED_SETTINGS.items(), ("STARCHAT_RESULT_TTL", str(RESULT_TTL_SECONDS))),
)
