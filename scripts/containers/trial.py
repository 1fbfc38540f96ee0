"""The trial: start a group of services, ask a question, kill the worker, look at confinement."""

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from demo.page_client import PageClient, Reply
from scripts.containers import compose, confinement
from scripts.containers.engine import Engine, report_line

START_TIMEOUT_SECONDS: Final = 900.0
"""Seconds until a container must be ready; the first start unpacks the model."""
POLL_INTERVAL_SECONDS: Final = 1.0
LOG_LINES: Final = 8
"""Last lines of each container that are shown after a failure."""
PAGE_ADDRESS: Final = "http://127.0.0.1:8065"
FAKESLACK_API: Final = "http://fakeslack:8065/api/"
NETWORKS: Final = {"queue": ("--internal",), "slack": ()}
READY_PROBE: Final = (
    "from urllib.request import urlopen; urlopen('http://127.0.0.1:8081/readyz', timeout=3)"
)


class TrialError(Exception):
    """The trial found something wrong; the message says what."""


@dataclass
class TrialResult:
    """Figures of one group of services, in seconds."""

    start_seconds: dict[str, float] = field(default_factory=dict)
    stop_seconds: dict[str, float] = field(default_factory=dict)
    reply_seconds: float = 0.0
    reply_after_kill_seconds: float = 0.0


class Trial:
    """Services of one compose file in an engine."""

    def __init__(self, engine: Engine, repository: Path, secrets: Path) -> None:
        """Read the compose file with the variables that `make credentials` wrote."""
        lines = (secrets.parent / ".env").read_text("utf-8").splitlines()
        variables = dict(line.split("=", 1) for line in lines)
        self._engine, self._repository, self._secrets = engine, repository, secrets
        self.services = compose.load_services(repository / "docker-compose.yml", variables)
        self._addresses: dict[str, dict[str, str]] = {}

    def create_networks(self) -> None:
        """Create the file's networks. The internal one has no route to anywhere."""
        for name, options in NETWORKS.items():
            self._engine.run_podman("network", "create", *options, name)

    def start_service(
        self, name: str, result: TrialResult, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start a service and wait until it is healthy; record its start time."""
        service = self.services[name]
        networks = set(service["networks"])
        hosts = {
            other: address
            for other, addresses in self._addresses.items()
            for network, address in addresses.items()
            if network in networks
        }
        arguments = compose.build_arguments(
            name,
            service | {"image": f"localhost/{service['image']}"},
            repository=self._repository,
            secrets=self._secrets,
            hosts=hosts,
            environment=environment,
        )
        self._engine.run_podman("create", *arguments)
        started = time.monotonic()
        self._engine.run_podman("start", name)
        self._wait_until(name, lambda: self._engine.succeeds("healthcheck", "run", name))
        if "HEALTH_PORT" in service.get("environment", {}):
            self._wait_until(name, lambda: self._is_ready(name))
        result.start_seconds[name] = time.monotonic() - started
        found = self._engine.inspect(name)["NetworkSettings"]["Networks"]
        self._addresses[name] = {network: found[network]["IPAddress"] for network in found}
        report_line(f"{name} is ready after {result.start_seconds[name]:.1f} s")
        confinement.check_container(service, self._pid(name))

    def ask(self, question: str, on_growth: Callable[[], None] | None = None) -> float:
        """Ask a question and return the seconds until its one reply is complete."""
        started = time.monotonic()
        last: Reply | None = None
        for reply in PageClient(PAGE_ADDRESS).ask_question(question, silence_timeout=300.0):
            last = reply
            if on_growth is not None and reply.state == "growing":
                on_growth()
                on_growth = None
        if last is None or last.state != "final" or on_growth is not None:
            raise TrialError(f"no complete reply, but {last.state if last else 'nothing'}")
        parts = [message for message in last.messages if message.get("blocks")]
        if len(parts) != 1:
            raise TrialError(f"{len(parts)} replies instead of one")
        return time.monotonic() - started

    def kill_service(self, name: str) -> None:
        """Kill a container's first process, as the kernel does if memory runs out."""
        report_line(f"killing {name} while it writes")
        os.kill(self._pid(name), signal.SIGKILL)

    def stop_services(self, names: list[str], result: TrialResult) -> None:
        """Stop services within their grace period. Raises `TrialError` if one had to be killed."""
        for name in names:
            started = time.monotonic()
            self._engine.run_podman("stop", name)
            result.stop_seconds[name] = time.monotonic() - started
            status = self._engine.inspect(name)["State"]["ExitCode"]
            if status not in {0, 128 + signal.SIGTERM}:
                raise TrialError(f"{name} ended with status {status} when it was stopped")
            self._engine.run_podman("rm", name)
            del self._addresses[name]

    def find_model(self, name: str) -> str:
        """Return the directory of the model that the demo's worker has unpacked."""
        script = "from pathlib import Path; print(*Path('/models/starchat').iterdir())"
        return self._engine.run_podman("exec", name, "python", "-c", script).split()[0]

    def read_logs(self) -> str:
        """Return the last log lines of every container."""
        names = self._engine.run_podman("ps", "--all", "--format", "{{.Names}}").split()
        return "\n".join(f"{name}: {self._engine.read_logs(name, LOG_LINES)}" for name in names)

    def _pid(self, name: str) -> int:
        return int(self._engine.inspect(name)["State"]["Pid"])

    def _is_ready(self, name: str) -> bool:
        return self._engine.succeeds("exec", name, "python", "-c", READY_PROBE)

    def _wait_until(self, name: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not condition():
            state: dict[str, Any] = self._engine.inspect(name)["State"]
            if not state["Running"] or time.monotonic() > deadline:
                raise TrialError(f"{name} is not ready: {state['Status']}")
            time.sleep(POLL_INTERVAL_SECONDS)
