"""Rows in which a start is hard: Redis shuts processes out, or nobody reads their log."""

import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Final

from redis import Redis

from chaos.recovery import parse_log
from chaos.run import ScenarioRun
from chaos.scenario import Scenario
from chaos.scenarios.bot_failures import MAX_EXIT_SECONDS
from testing import broken_environment
from testing.polling import poll_until
from testing.processes import Process, free_port
from testing.redis_server import RedisServer

SECRET: Final = "not-known-yet"
START_TIMEOUT_SECONDS: Final = 60.0
"""Seconds that a process may take to become ready, or to end."""
REDIS_ERROR_EVENT: Final = "redis does not answer"
"""What a worker says of a Redis that it cannot use."""
LOG_SINKS: Final = ("full", "closed")
"""A disk without room, a pipe that nobody reads any more."""


class RedisAbsent:
    """Redis is not there; then it starts."""

    name = "absent"

    def deny_access(self, server: RedisServer) -> str:
        """Shut everybody out; return the address that is given to those who start."""
        server.kill_server()
        return server.url

    def grant_access(self, server: RedisServer) -> None:
        """Do what an operator does who has seen why nothing works."""
        server.restart_server()


class WrongPassword(RedisAbsent):
    """Redis does not know the user and the password; then it does."""

    name = "wrong password"

    def deny_access(self, server: RedisServer) -> str:
        """See `Absent`."""
        return f"unix://late:{SECRET}@{server.socket}"

    def grant_access(self, server: RedisServer) -> None:
        """See `Absent`."""
        _set_acl(server, "late", "+@all")


class NotAllowed(RedisAbsent):
    """Redis lets the user do nothing but enter; then all."""

    name = "not allowed"

    def deny_access(self, server: RedisServer) -> str:
        """See `Absent`."""
        _set_acl(server, "narrow", "-@all", "+@connection")
        return f"unix://narrow:{SECRET}@{server.socket}"

    def grant_access(self, server: RedisServer) -> None:
        """See `Absent`."""
        _set_acl(server, "narrow", "+@all")


def _set_acl(server: RedisServer, user: str, *commands: str) -> None:
    with Redis.from_url(server.url) as redis:
        redis.execute_command("ACL", "SETUSER", user, "on", f">{SECRET}", "~*", "&*", *commands)


@dataclass(frozen=True, slots=True)
class StartedProcess:
    """A process that was started with a port for its health."""

    process: Process
    port: int

    @property
    def ready_status(self) -> int:
        """What it answers whoever asks whether it is ready; 0 where it does not listen yet."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as page:
                return int(page.status)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code
        except OSError:
            return 0

    def wait_until_ready(self) -> None:
        """Wait until it says that it is ready."""
        poll_until(
            lambda: self.ready_status == 200,
            timeout=START_TIMEOUT_SECONDS,
            description=f"a ready {self.process.module}",
        )

    def find_errors(self, event: str) -> list[str]:
        """Return the errors that it has logged with an event, in their order."""
        return [line["error"] for line in parse_log(self.process) if line.get("event") == event]


def start_without_access(run: ScenarioRun) -> None:
    """Start a bot and a worker while Redis shuts them out; three reasons, one after the other."""
    _stop_processes(run)
    for reason in (RedisAbsent(), WrongPassword(), NotAllowed()):
        url = reason.deny_access(run.cluster.redis)
        bot, worker = (_start_with_health(run, module, url) for module in ("bot", "worker"))
        run.faults[reason.name] += 1
        bot.process.wait_for_event("ready", START_TIMEOUT_SECONDS)
        run.ask_questions(run.scale_count(6, 3))
        worker.process.wait_for_event(REDIS_ERROR_EVENT, START_TIMEOUT_SECONDS)
        _check_not_ready(run, reason.name, bot, worker)
        reason.grant_access(run.cluster.redis)
        worker.process.wait_for_event("worker started", START_TIMEOUT_SECONDS)
        bot.wait_until_ready()
        for started in (bot, worker):
            started.process.kill_group()
        errors = worker.find_errors(REDIS_ERROR_EVENT)
        # A server that is just starting is another reason than none.
        if not errors or len(errors) != len(set(errors)):
            run.failures.append(f"{reason.name}: said {', '.join(errors)}")
    run.cluster.restore_processes()


def _check_not_ready(run: ScenarioRun, name: str, *processes: StartedProcess) -> None:
    for started in processes:
        if started.ready_status == 200:
            run.failures.append(f"{name}: {started.process.module} says that it is ready")
        if started.process.poll() is not None:
            run.failures.append(f"{name}: {started.process.module} ended by itself")


def start_without_log(run: ScenarioRun) -> None:
    """Let bots and workers write their log to a full disk and to a closed pipe."""
    _stop_processes(run)
    cluster = run.cluster
    unlogged = [_start_with_sink(run, sink, "bot") for sink in LOG_SINKS]
    unlogged.append(_start_with_sink(run, run.rng.choice(LOG_SINKS), "worker"))
    cluster.workspace.wait_until_connected()
    run.ask_questions(run.scale_count(30, 10), seconds=3.0)
    unanswered = run.wait_for_replies()
    if unanswered:
        run.failures.append(f"{len(unanswered)} without a reply")
    for process in unlogged:
        if process.poll() is not None:
            run.failures.append(f"{process.module} ended by itself")
        run.faults["log not writable"] += 1
        _stop_in_time(run, process)
    cluster.restore_processes()


def _start_with_sink(run: ScenarioRun, sink: str, module: str) -> Process:
    process = Process(
        broken_environment.__name__, "log", sink, "-m", module, **run.cluster.environment
    )
    run.cluster.processes.append(process)
    return process


def _stop_processes(run: ScenarioRun) -> None:
    for process in (*run.cluster.bots, *run.cluster.workers):
        run.cluster.kill_process(process)


def _start_with_health(run: ScenarioRun, module: str, url: str) -> StartedProcess:
    port = free_port()
    settings = run.cluster.environment | {"REDIS_URL": url, "HEALTH_PORT": str(port)}
    process = Process(module, **settings)
    run.cluster.processes.append(process)
    return StartedProcess(process, port)


def _stop_in_time(run: ScenarioRun, process: Process) -> None:
    """End a process as a supervisor does; it must leave in order and in time."""
    exit_status = process.stop_process(MAX_EXIT_SECONDS)
    if exit_status != 0:
        run.failures.append(f"{process.module} ended with {exit_status}")


HARD_STARTS: Final = (
    Scenario(
        "R6",
        "started while redis is absent, knows no such password, allows nothing",
        start_without_access,
    ),
    Scenario("C2", "logs on a full disk and a closed pipe", start_without_log),
)
