"""Everything that a chaos run plays on: a workspace, Redis, bots and workers that may die."""

import contextlib
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from redis import Redis
from redis.exceptions import RedisError

from chaos.cluster.redis_proxy import CALM, Proxy
from chaos.cluster.slack_proxy import Wire
from testing.broken_resolver import NAME
from testing.checkpoints import taught_checkpoint
from testing.processes import Process
from testing.redis_server import RedisServer
from testing.worker_harness import QUICK
from testing.workspace import STARCHAT, Workspace

NAMELESS: Final = "testing.broken_resolver"
LEASE: Final = float(QUICK["STARCHAT_LEASE_SECONDS"])
"""Seconds that a silent worker keeps its jobs here."""
SPEED: Final = 15.0
"""How fast Slack's redeliveries come: a bot starts before the last of them, 24 seconds later."""
PEOPLE: Final = 20
CHANNELS: Final = 12
KEPT: Final = "200000"
"""What the workspace remembers: whatever a row does, the history has its beginning."""
REFILL: Final = 0.2
"""Seconds after which the budgets of Slack's methods are full again, instead of a minute."""
OPEN_DOOR: Final = {
    "STARCHAT_MAX_PENDING": "100000",
    "STARCHAT_MAX_PENDING_PER_USER": "10000",
    "STARCHAT_MAX_RUNNING_PER_USER": "1000",
    "STARCHAT_MAX_NEW_TOKENS": "160",
}
"""Settings with which no question is declined, and a long reply takes a second or two."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Which programs play bot and worker, how many of each, and with which settings."""

    name: str = "StarChat"
    bot: str = "bot"
    worker: str = "worker"
    bots: int = 1
    workers: int = 1
    variables: tuple[tuple[str, str], ...] = tuple(OPEN_DOOR.items())
    proxied: bool = False
    wired: bool = False
    """Whether Slack is reached over a wire that may break, by a name that may not be resolved."""
    ahead: float = 0.0
    """Seconds that Slack's clock is ahead of this machine's, which is Redis' and the product's."""
    model: Callable[[], Path] = taught_checkpoint
    """Makes the checkpoint that the workers load."""
    patience: float = 90.0
    """Seconds that a row waits at most for replies."""


class Stage:
    """
    A workspace with people and channels, Redis, and as many bots and workers as were cast.

    Each process may be killed at any time; `revive` brings back what is missing.
    """

    def __init__(self, cast: Cast, seed: int = 0) -> None:
        """Start all of it and wait until it works."""
        self.cast = cast
        self.redis = RedisServer()
        self.proxy = Proxy(self.redis.socket, seed) if cast.proxied else None
        self.workspace = Workspace(
            *("--seed", str(seed), "--speed", str(SPEED), "--keep", KEPT),
            *("--ahead", str(cast.ahead)),
        )
        self.wire = Wire(self.workspace.port, seed) if cast.wired else None
        self.shared = (
            QUICK
            | {"STARCHAT_MODEL": str(self.cast.model())}
            | self.workspace.environment
            | self._addresses()
            | dict(cast.variables)
        )
        self.processes: list[Process] = []
        self.bots: list[Process] = []
        self.workers: list[Process] = []
        self.people, self.channels = self._settle()
        self._over = threading.Event()
        self._refill = threading.Thread(target=self._keep_full, daemon=True)
        self._refill.start()
        try:
            self.revive()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End everything, people's side last."""
        self._over.set()
        self._refill.join()
        for process in self.processes:
            process.kill()
        for wire in filter(None, (self.proxy, self.wire)):
            wire.close()
        self.workspace.stop()
        self.redis.stop()

    def bot(self, fault: str = "") -> Process:
        """Start another bot; it is not ready yet."""
        return self._started(self.cast.bot, self.bots, fault)

    def worker(self, fault: str = "") -> Process:
        """Start another worker; it does not take jobs yet."""
        return self._started(self.cast.worker, self.workers, fault)

    def calm(self) -> None:
        """End all that goes wrong between the processes."""
        self.workspace.faults()
        self.workspace.sockets("enable")
        for wire in filter(None, (self.proxy, self.wire)):
            wire.trouble = CALM

    def revive(self) -> None:
        """Bring back what is missing, send away what is too much, and wait until all work."""
        for process in (*self.bots[self.cast.bots :], *self.workers[self.cast.workers :]):
            self.drop(process)
        bots = [self.bot() for _ in range(self.cast.bots - len(self.bots))]
        workers = [self.worker() for _ in range(self.cast.workers - len(self.workers))]
        for process in bots:
            process.wait_for("ready")
        self.workspace.wait_connected()
        for process in workers:
            process.wait_for("model loaded", within=120)

    def drop(self, process: Process) -> float:
        """Kill a bot or a worker for good and return when that was."""
        at = time.monotonic()
        for group in (self.bots, self.workers):
            if process in group:
                group.remove(process)
        process.kill()
        return at

    def direct(self) -> Redis:
        """Return a client of Redis that no trouble reaches."""
        return Redis.from_url(self.redis.url)

    def _started(self, room: str, group: list[Process], fault: str) -> Process:
        given = self.shared | ({"STARCHAT_FAILPOINT": fault} if fault else {})
        if self.wire is None:
            process = Process(room, **given)
        else:
            process = Process(NAMELESS, str(self.wire.nameless), room, **given)
        group.append(process)
        self.processes.append(process)
        return process

    def _addresses(self) -> dict[str, str]:
        found = {"REDIS_URL": self.proxy.url if self.proxy else self.redis.url}
        if self.wire is not None:
            found["SLACK_API_URL"] = f"http://{NAME}:{self.wire.port}/api/"
        return found

    def _settle(self) -> tuple[list[str], list[str]]:
        people = [f"U0CHAOS{number:03}" for number in range(PEOPLE)]
        for number, person in enumerate(people):
            self.workspace.control("person", id=person, name=f"Person{number}")
        members = [*people, STARCHAT]
        rooms = [
            self.workspace.control("create", name=f"room-{n}", members=members)
            for n in range(CHANNELS)
        ]
        return people, [str(room["channel"]) for room in rooms]

    def _keep_full(self) -> None:
        with self.direct() as redis:
            while not self._over.wait(REFILL):
                _fill(redis)


def _fill(redis: Redis) -> None:
    # Slack's minutes would be longer than a whole row. What Slack has frozen stays frozen.
    with contextlib.suppress(RedisError):
        for budget in redis.scan_iter("starchat:*:rate:*", count=1000):
            redis.hdel(budget, "left", "at")


def dice(*seeds: object) -> random.Random:
    """Return dice that fall the same way for the same seeds."""
    return random.Random("/".join(map(str, seeds)))  # noqa: S311 - repeatable, not secret
