"""Cluster under test: a workspace, Redis, bots and workers, each in its process."""

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

from chaos.cluster.redis_proxy import NO_FAULT, RedisProxy
from chaos.cluster.slack_proxy import SlackProxy
from testing import broken_environment
from testing.checkpoints import memorizing_checkpoint
from testing.fork_server import forked_engine_environment, forks_by_default
from testing.polling import poll_until
from testing.processes import Process
from testing.redis_server import RedisServer
from testing.worker_harness import FAST_SETTINGS, refill_budgets
from testing.workspace import STARCHAT, Workspace

LEASE_SECONDS: Final = float(FAST_SETTINGS["STARCHAT_LEASE_SECONDS"])
"""Lease of a job here: a worker that misses heartbeats this long loses it."""
CLOCK_SPEED: Final = 15.0
"""Speed of Slack's clock: its last redelivery comes after 24 s, when a restarted bot is ready."""
USER_COUNT: Final = 20
CHANNEL_COUNT: Final = 12
HISTORY_LIMIT: Final = "200000"
"""Records that the workspace keeps: enough for the whole history of a run."""
LOADED_EVENT: Final = "model loaded"
"""Log event of a worker whose model is loaded."""
LOAD_TIMEOUT_SECONDS: Final = 120.0
"""Maximum time until a worker has loaded its model."""
REFILL_SECONDS: Final = 0.2
"""Interval at which the token buckets of Slack's rate limits are refilled."""
UNLIMITED_SETTINGS: Final = {
    "STARCHAT_MAX_PENDING": "100000",
    "STARCHAT_MAX_PENDING_PER_USER": "10000",
    "STARCHAT_MAX_RUNNING_PER_USER": "1000",
    "STARCHAT_MAX_NEW_TOKENS": "160",
}
"""Settings with which no question is declined and a long reply takes one or two seconds."""


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """Programs of bot and worker, their numbers and settings, and the proxies between them."""

    name: str = "StarChat"
    """System under test, as the report names it."""
    bot_module: str = "bot"
    worker_module: str = "worker"
    bot_count: int = 1
    worker_count: int = 1
    settings: tuple[tuple[str, str], ...] = tuple(UNLIMITED_SETTINGS.items())
    with_redis_proxy: bool = False
    with_slack_proxy: bool = False
    """Whether Slack is reached through a proxy, by a name whose resolution may fail."""
    slack_clock_offset_seconds: float = 0.0
    """Slack's clock minus this machine's, which Redis, bots and workers use."""
    build_model: Callable[[], Path] = memorizing_checkpoint
    """Returns the checkpoint that the workers load."""
    reply_timeout_seconds: float = 90.0
    """Maximum wait of a scenario for its replies."""


class Cluster:
    """
    A workspace with users and channels, Redis, and the bots and workers of a specification.

    Each process may be killed at any time; `restore_processes` starts the missing ones.
    """

    def __init__(self, spec: ClusterSpec, seed: int = 0) -> None:
        """Start all processes and wait until they are ready."""
        self.spec = spec
        self.redis = RedisServer()
        self.redis_proxy = RedisProxy(self.redis.socket, seed) if spec.with_redis_proxy else None
        self.workspace = Workspace(
            *("--seed", str(seed), "--speed", str(CLOCK_SPEED), "--max-records", HISTORY_LIMIT),
            *("--ahead", str(spec.slack_clock_offset_seconds)),
            *("--allow-host", broken_environment.HOST_NAME),
        )
        self.slack_proxy = SlackProxy(self.workspace.port, seed) if spec.with_slack_proxy else None
        self.environment = (
            FAST_SETTINGS
            | {"STARCHAT_MODEL": str(self.spec.build_model())}
            | self.workspace.environment
            | (forked_engine_environment() if forks_by_default("worker.engine") else {})
            | self._service_urls()
            | dict(spec.settings)
        )
        self.processes: list[Process] = []
        self.bots: list[Process] = []
        self.workers: list[Process] = []
        self.users, self.channels = self._create_channels()
        self._stopped = threading.Event()
        self._refill_thread = threading.Thread(target=self._refill_loop, daemon=True)
        self._refill_thread.start()
        try:
            self.restore_processes()
        except BaseException:
            self.shut_down()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shut_down()

    def shut_down(self) -> None:
        """Kill all processes and stop the services, the workspace and Redis last."""
        self._stopped.set()
        self._refill_thread.join()
        for process in self.processes:
            process.kill_group()
        for proxy in filter(None, (self.redis_proxy, self.slack_proxy)):
            proxy.shut_down()
        self.workspace.stop_process()
        self.redis.stop_server()

    def start_bot(self, fault: str = "") -> Process:
        """Start another bot without waiting for it; `fault` is its failpoint."""
        return self._start_process(self.spec.bot_module, self.bots, fault)

    def start_worker(self, fault: str = "") -> Process:
        """Start another worker without waiting for it; `fault` is its failpoint."""
        return self._start_process(self.spec.worker_module, self.workers, fault)

    def clear_faults(self) -> None:
        """End all faults of the workspace and of the proxies."""
        self.workspace.set_faults()
        self.workspace.control_sockets("enable")
        for proxy in filter(None, (self.redis_proxy, self.slack_proxy)):
            proxy.fault = NO_FAULT

    def restore_processes(self) -> None:
        """Start missing bots and workers, kill surplus ones, and wait until all are ready."""
        for process in (*self.bots[self.spec.bot_count :], *self.workers[self.spec.worker_count :]):
            self.kill_process(process)
        bots = [self.start_bot() for _ in range(self.spec.bot_count - len(self.bots))]
        for _ in range(self.spec.worker_count - len(self.workers)):
            self.start_worker()
        for process in bots:
            process.wait_for_event("ready")
        self.workspace.wait_until_connected()
        # Also for workers that a scenario started without waiting for them.
        poll_until(
            lambda: all(map(_has_loaded_model, self.workers)),
            timeout=LOAD_TIMEOUT_SECONDS,
            description="the models of all workers",
        )

    def kill_process(self, process: Process) -> float:
        """Kill a bot or a worker and return the time of the kill."""
        killed_at = time.monotonic()
        for group in (self.bots, self.workers):
            if process in group:
                group.remove(process)
        process.kill_group()
        return killed_at

    def connect_redis(self) -> Redis:
        """Return a Redis client that bypasses the proxy."""
        return Redis.from_url(self.redis.url)

    def _start_process(self, module: str, group: list[Process], fault: str) -> Process:
        environment = self.environment | ({"STARCHAT_FAILPOINT": fault} if fault else {})
        if self.slack_proxy is None:
            process = Process(module, **environment)
        else:
            process = Process(
                broken_environment.__name__,
                "resolver",
                str(self.slack_proxy.resolver_failure_file),
                module,
                **environment,
            )
        group.append(process)
        self.processes.append(process)
        return process

    def _service_urls(self) -> dict[str, str]:
        found = {"REDIS_URL": self.redis_proxy.url if self.redis_proxy else self.redis.url}
        if self.slack_proxy is not None:
            found["SLACK_API_URL"] = (
                f"http://{broken_environment.HOST_NAME}:{self.slack_proxy.port}/api/"
            )
        return found

    def _create_channels(self) -> tuple[list[str], list[str]]:
        users = [f"U0CHAOS{number:03}" for number in range(USER_COUNT)]
        for number, user in enumerate(users):
            self.workspace.send_control("person", id=user, name=f"Person{number}")
        members = [*users, STARCHAT]
        channels = [
            self.workspace.send_control("create", name=f"channel-{n}", members=members)
            for n in range(CHANNEL_COUNT)
        ]
        return users, [str(channel["channel"]) for channel in channels]

    def _refill_loop(self) -> None:
        with self.connect_redis() as redis:
            while not self._stopped.wait(REFILL_SECONDS):
                # Blocked buckets stay blocked.
                with contextlib.suppress(RedisError):
                    refill_budgets(redis)


def _has_loaded_model(worker: Process) -> bool:
    return any(LOADED_EVENT in line for line in list(worker.lines))


def seeded_random(*seeds: object) -> random.Random:
    """Return a random generator that is the same for the same seeds."""
    return random.Random("/".join(map(str, seeds)))  # noqa: S311 - repeatable, not secret
