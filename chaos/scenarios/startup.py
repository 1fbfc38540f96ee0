"""Rows in which a start is hard: Redis shuts processes out, or nobody reads their log."""

import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Final

from redis import Redis

from chaos.recovery import events
from chaos.run import Trial
from chaos.scenario import Row
from chaos.scenarios.bot_failures import EXIT
from testing.polling import until
from testing.ports import free_port
from testing.processes import Process
from testing.redis_server import RedisServer

SECRET: Final = "not-known-yet"
START: Final = 60.0
"""Seconds that a process may take to become ready, or to end."""
REASON: Final = "redis does not answer"
"""What a worker says of a Redis that it cannot use."""
SINKS: Final = ("full", "closed")
"""A disk without room, a pipe that nobody reads any more."""


class Absent:
    """Redis is not there; then it starts."""

    name = "absent"

    def shut(self, server: RedisServer) -> str:
        """Shut everybody out; return the address that is given to those who start."""
        server.kill()
        return server.url

    def open(self, server: RedisServer) -> None:
        """Do what an operator does who has seen why nothing works."""
        server.restart()


class WrongPassword(Absent):
    """Redis does not know the user and the password; then it does."""

    name = "wrong password"

    def shut(self, server: RedisServer) -> str:
        """See `Absent`."""
        return f"unix://late:{SECRET}@{server.socket}"

    def open(self, server: RedisServer) -> None:
        """See `Absent`."""
        _rule(server, "late", "+@all")


class NotAllowed(Absent):
    """Redis lets the user do nothing but enter; then all."""

    name = "not allowed"

    def shut(self, server: RedisServer) -> str:
        """See `Absent`."""
        _rule(server, "narrow", "-@all", "+@connection")
        return f"unix://narrow:{SECRET}@{server.socket}"

    def open(self, server: RedisServer) -> None:
        """See `Absent`."""
        _rule(server, "narrow", "+@all")


def _rule(server: RedisServer, user: str, *commands: str) -> None:
    with Redis.from_url(server.url) as redis:
        redis.execute_command("ACL", "SETUSER", user, "on", f">{SECRET}", "~*", "&*", *commands)


@dataclass(frozen=True, slots=True)
class Started:
    """A process that was started with a port for its health."""

    process: Process
    port: int

    @property
    def status(self) -> int:
        """What it answers whoever asks whether it is ready; 0 where it does not listen yet."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as page:
                return int(page.status)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code
        except OSError:
            return 0

    def wait_ready(self) -> None:
        """Wait until it says that it is ready."""
        until(lambda: self.status == 200, within=START, what=f"a ready {self.process.room}")

    def said(self, event: str) -> list[str]:
        """Return the errors that it has logged with an event, in their order."""
        return [line["error"] for line in events(self.process) if line.get("event") == event]


def shut_out(trial: Trial) -> None:
    """Start a bot and a worker while Redis shuts them out; three reasons, one after the other."""
    _send_away(trial)
    for reason in (Absent(), WrongPassword(), NotAllowed()):
        url = reason.shut(trial.stage.redis)
        bot, worker = (_started(trial, room, url) for room in ("bot", "worker"))
        trial.faults[reason.name] += 1
        bot.process.wait_for("ready", START)
        trial.ask(trial.many(6, 3))
        worker.process.wait_for(REASON, START)
        _check_shut(trial, reason.name, bot, worker)
        reason.open(trial.stage.redis)
        worker.process.wait_for("worker started", START)
        bot.wait_ready()
        for one in (bot, worker):
            one.process.kill()
        said = worker.said(REASON)
        # A server that is just starting is another reason than none.
        if not said or len(said) != len(set(said)):
            trial.broken.append(f"{reason.name}: said {', '.join(said)}")
    trial.stage.revive()


def _check_shut(trial: Trial, name: str, *started: Started) -> None:
    for one in started:
        if one.status == 200:
            trial.broken.append(f"{name}: {one.process.room} says that it is ready")
        if one.process.poll() is not None:
            trial.broken.append(f"{name}: {one.process.room} ended by itself")


def unheard(trial: Trial) -> None:
    """Let bots and workers write their log to a full disk and to a closed pipe."""
    _send_away(trial)
    stage = trial.stage
    mute = [_mute(trial, sink, "bot") for sink in SINKS]
    mute.append(_mute(trial, trial.dice.choice(SINKS), "worker"))
    stage.workspace.wait_connected()
    trial.ask(trial.many(30, 10), over=3.0)
    left = trial.settle()
    if left:
        trial.broken.append(f"{len(left)} without a reply")
    for process in mute:
        if process.poll() is not None:
            trial.broken.append(f"{process.room} ended by itself")
        trial.faults["log not writable"] += 1
        _end(trial, process)
    stage.revive()


def _mute(trial: Trial, sink: str, room: str) -> Process:
    process = Process("testing.broken_environment", sink, "-m", room, **trial.stage.shared)
    trial.stage.processes.append(process)
    return process


def _send_away(trial: Trial) -> None:
    for process in (*trial.stage.bots, *trial.stage.workers):
        trial.stage.drop(process)


def _started(trial: Trial, room: str, url: str) -> Started:
    port = free_port()
    settings = trial.stage.shared | {"REDIS_URL": url, "HEALTH_PORT": str(port)}
    process = Process(room, **settings)
    trial.stage.processes.append(process)
    return Started(process, port)


def _end(trial: Trial, process: Process) -> None:
    """End a process as a supervisor does; it must leave in order and in time."""
    code = process.stop(EXIT)
    if code != 0:
        trial.broken.append(f"{process.room} ended with {code}")


ROWS: Final = (
    Row("R6", "started while redis is absent, knows no such password, allows nothing", shut_out),
    Row("C2", "logs on a full disk and a closed pipe", unheard),
)
