"""
A row of its own: people ask for minutes or hours while one call in a hundred goes wrong.

`make soak` plays it, `make chaos` does not. It counts what a process must not gather: memory, open
files, keys of Redis that never leave.
"""

import threading
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from redis import Redis

from chaos.checker.growth import rise, settled, slope
from chaos.cluster.cluster import OPEN_DOOR, Cast
from chaos.cluster.redis_proxy import Trouble
from chaos.run import Trial
from chaos.scenario import Row
from testing.polling import until
from testing.process_tree import engine, resident

MINUTE: Final = 60.0
PACE: Final = 1.5
"""Mentions a second."""
ROUND: Final = 10.0
"""Seconds of questions that are dealt at once."""
LOOK: Final = 2.0
"""Seconds between two looks at the processes."""
TTL: Final = 60
"""Seconds that RQ keeps what is finished here, instead of an hour."""
FOR_EVER: Final = -1
"""What Redis says of a key that has no end."""
EXPIRED: Final = 30.0
"""Seconds after which that is gone at the latest."""
LONG: Final = 15.0
"""Minutes from which on the growth of memory says anything."""
MOST_GROWTH: Final = 0.1
"""Share of its memory by which a process may grow in an hour."""
MOST_FILES: Final = 3
RULES: Final = (
    {"fault": "ratelimited", "method": "chat.*", "probability": 0.0025, "retry_after": 1},
    {"fault": "status", "method": "*", "probability": 0.0025},
    {"fault": "drop_after", "method": "chat.*", "probability": 0.0025},
    {"fault": "drop_before", "method": "*", "probability": 0.0025},
)
"""One call in a hundred, in all."""
WIRE: Final = Trouble(reset=0.0005, lose=0.0005)
LASTING: Final = {
    "starchat:workers": 2,
    "starchat:pending": 0,
    "rq:queues": 1,
    "rq:workers": 2,
    "rq:workers:starchat": 2,
    "rq:finished:starchat": 0,
    "rq:failed:starchat": 0,
}
"""Keys that may stay for ever, and how many members each may have when all is done."""


def soaked(minutes: float) -> Row:
    """Return the row that takes so many minutes."""

    def act(trial: Trial) -> None:
        assert trial.stage.proxy is not None
        trial.stage.workspace.faults(
            *RULES, deliveries={"duplicate": 0.01}, seed=trial.dice.randint(0, 999)
        )
        trial.stage.proxy.trouble = WIRE
        over = time.monotonic() + minutes * MINUTE
        with Looks(trial) as looks:
            while time.monotonic() < over:
                trial.ask(round(PACE * ROUND), over=ROUND)
        trial.stage.calm()
        trial.settle()
        _judge(trial, looks, minutes)
        _check_keys(trial)

    return Row("L2", f"{minutes:g} minutes of questions, one call in a hundred goes wrong", act)


class Looks:
    """Looks every few seconds at the memory and the open files of each process."""

    def __init__(self, trial: Trial) -> None:
        stage = trial.stage
        self._watched = [(process.room, process.pid) for process in (*stage.bots, *stage.workers)]
        self._watched += [("engine", engine(worker.pid)) for worker in stage.workers]
        self.memory: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
        self.files: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="looks", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(LOOK):
            now = time.monotonic()
            for name, pid in self._watched:
                self.memory[name].append((now, resident(pid)))
                self.files[name].append((now, len(list(Path(f"/proc/{pid}/fd").iterdir()))))


def _judge(trial: Trial, looks: Looks, minutes: float) -> None:
    for name, series in looks.memory.items():
        last, growth = series[-1][1], slope(settled(series))
        files = rise(settled(looks.files[name]))
        trial.notes.append(f"{name} {last:.0f} MiB, {growth:+.1f} MiB/h, {files:+.0f} files")
        if minutes >= LONG and growth > MOST_GROWTH * last:
            trial.broken.append(f"{name} grows by {growth:.1f} MiB in an hour")
        if files > MOST_FILES:
            trial.broken.append(f"{name} has {files:.0f} files more open than before")


def _check_keys(trial: Trial) -> None:
    """Wait until what is finished has expired; whatever then has no end must be expected."""
    with trial.stage.direct() as redis:
        with suppress(AssertionError):
            until(lambda: not _gathered(redis), within=TTL + EXPIRED)
        trial.broken += _gathered(redis)
        kept = redis.dbsize()
    trial.notes.append(f"{kept} keys left, all with an end but the {len(LASTING)} expected")


def _gathered(redis: Redis) -> list[str]:
    """Return what stays for ever though nobody works any more."""
    found = []
    for key in redis.scan_iter("*", count=1000):
        name = key.decode()
        if redis.ttl(key) == FOR_EVER:
            most, members = LASTING.get(name), _members(redis, name)
            if most is None or members > most:
                found.append(f"{name} has no end and {members} members")
        elif name.startswith("rq:job:"):
            found.append(f"{name} is still there")
    return found


def _members(redis: Redis, name: str) -> int:
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


CAST: Final = Cast(proxied=True, variables=(*OPEN_DOOR.items(), ("STARCHAT_RESULT_TTL", str(TTL))))
