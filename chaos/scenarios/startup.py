"""Hard starts: Redis denies access, or the log cannot be written."""

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
"""Maximum time until a process is ready."""
REDIS_ERROR_EVENT: Final = "redis does not answer"
"""Log event of a worker that cannot use Redis."""
LOG_SINKS: Final = ("full", "closed")
"""A full disk, and a pipe whose reader is gone."""


class RedisAbsent:
    """Redis does not run; then it starts."""

    name = "absent"

    def deny_access(self, server: RedisServer) -> str:
        """Deny access to Redis; return the URL that new processes get."""
        server.kill_server()
        return server.url

    def grant_access(self, server: RedisServer) -> None:
        """Repair Redis, as an operator does."""
        server.restart_server()


class WrongPassword(RedisAbsent):
    """Redis does not know user and password; then it does."""

    name = "wrong password"

    def deny_access(self, server: RedisServer) -> str:
        """See `RedisAbsent`."""
        return f"unix://late:{SECRET}@{server.socket}"

    def grant_access(self, server: RedisServer) -> None:
        """See `RedisAbsent`."""
        _set_acl(server, "late", "+@all")


class NotAllowed(RedisAbsent):
    """Redis allows the user no command but connecting; then all."""

    name = "not allowed"

    def deny_access(self, server: RedisServer) -> str:
        """See `RedisAbsent`."""
        _set_acl(server, "narrow", "-@all", "+@connection")
        return f"unix://narrow:{SECRET}@{server.socket}"

    def grant_access(self, server: RedisServer) -> None:
        """See `RedisAbsent`."""
        _set_acl(server, "narrow", "+@all")


def _set_acl(server: RedisServer, user: str, *commands: str) -> None:
    with Redis.from_url(server.url) as redis:
        redis.execute_command("ACL", "SETUSER", user, "on", f">{SECRET}", "~*", "&*", *commands)


@dataclass(frozen=True, slots=True)
class StartedProcess:
    """A process with a port for its health page."""

    process: Process
    port: int

    @property
    def ready_status(self) -> int:
        """HTTP status of `/readyz`; 0 before the process listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as page:
                return int(page.status)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code
        except OSError:
            return 0

    def wait_until_ready(self) -> None:
        """Wait until `/readyz` has status 200."""
        poll_until(
            lambda: self.ready_status == 200,
            timeout=START_TIMEOUT_SECONDS,
            description=f"a ready {self.process.module}",
        )

    def find_errors(self, event: str) -> list[str]:
        """Return the errors that the process has logged with an event, oldest first."""
        return [line["error"] for line in parse_log(self.process) if line.get("event") == event]


def start_without_access(run: ScenarioRun) -> None:
    """Start a bot and a worker that Redis denies access, for three reasons in turn."""
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
        # A worker logs each reason once; a starting server is a second reason.
        if not errors or len(errors) != len(set(errors)):
            run.failures.append(f"{reason.name}: logged {', '.join(errors)}")
    run.cluster.restore_processes()


def _check_not_ready(run: ScenarioRun, name: str, *processes: StartedProcess) -> None:
    for started in processes:
        if started.ready_status == 200:
            run.failures.append(f"{name}: {started.process.module} reports that it is ready")
        if started.process.poll() is not None:
            run.failures.append(f"{name}: {started.process.module} exited")


def start_without_log(run: ScenarioRun) -> None:
    """Start bots and a worker whose log is a full disk or a closed pipe."""
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
            run.failures.append(f"{process.module} exited")
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
    """Stop a process by SIGTERM; fail the run unless it exits with 0 in time."""
    exit_status = process.stop_process(MAX_EXIT_SECONDS)
    if exit_status != 0:
        run.failures.append(f"{process.module} ended with {exit_status}")


HARD_STARTS: Final = (
    Scenario(
        "started-without-redis-access",
        "R6",
        "started while redis is absent, rejects the password, allows no command",
        start_without_access,
    ),
    Scenario("logs-unwritable", "C2", "logs on a full disk and a closed pipe", start_without_log),
)
