"""Translation of a docker-compose.yml service to `podman create` arguments. Pure."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

Json = dict[str, Any]

VARIABLE_PATTERN: Final = re.compile(r"\$\{(\w+):-([^}]*)\}")
TRANSLATED_FIELDS: Final = frozenset({
    "cap_drop", "command", "environment", "healthcheck", "image", "init", "logging", "networks",
    "ports", "read_only", "restart", "secrets", "security_opt", "stop_grace_period", "tmpfs",
    "user", "volumes",
})  # fmt: skip
UNTRANSLATED_FIELDS: Final = frozenset({"build", "depends_on", "deploy", "env_file", "profiles"})
"""
Handled by the trial itself, except `deploy` and `env_file`.

This machine may have no GPU, and the trial chooses its settings.
"""
LIMITS: Final = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
"""Limits that also work where the calling process may not raise its own."""
SECONDS_OF_UNIT: Final = {"s": 1, "m": 60, "h": 3600}


class UntranslatedError(Exception):
    """The file uses a field that this translation does not know; the message names it."""


def load_services(file: Path, variables: Mapping[str, str]) -> Json:
    """Return the services of a compose file, with `${NAME:-default}` replaced."""
    text = VARIABLE_PATTERN.sub(
        lambda match: variables.get(match[1]) or match[2], file.read_text("utf-8")
    )
    services: Json = yaml.safe_load(text)["services"]
    return services


def build_arguments(
    name: str,
    service: Json,
    *,
    repository: Path,
    secrets: Path,
    hosts: Mapping[str, str],
    environment: Mapping[str, str] | None = None,
) -> list[str]:
    """
    Return the arguments of `podman create` for a service.

    `hosts` are addresses of other services by name, `environment` overrides the file's variables.
    Raises `UntranslatedError` for an unknown field.
    """
    unknown = service.keys() - TRANSLATED_FIELDS - UNTRANSLATED_FIELDS
    if unknown:
        raise UntranslatedError(f"{name}: {', '.join(sorted(unknown))}")
    variables = service.get("environment", {}) | dict(environment or {})
    arguments = ["--name", name, "--pull", "never", *LIMITS]
    arguments += ["--user", service["user"], "--restart", service["restart"]]
    arguments += [f"--cap-drop={capability}" for capability in service["cap_drop"]]
    arguments += [
        f"--security-opt={option.partition(':')[0]}" for option in service["security_opt"]
    ]
    arguments += ["--read-only", "--read-only-tmpfs=false"] if service["read_only"] else []
    arguments += ["--init"] if service["init"] else []
    arguments += [f"--tmpfs={path}" for path in service["tmpfs"]]
    arguments += [f"--network={network}" for network in service["networks"]]
    arguments += [f"--add-host={host}:{address}" for host, address in hosts.items()]
    arguments += [f"--publish={port}" for port in service.get("ports", ())]
    arguments += [f"--env={key}={value}" for key, value in variables.items()]
    arguments += [f"--volume={_resolve_volume(v, repository)}" for v in service.get("volumes", ())]
    arguments += [f"--volume={secrets / s}:/run/secrets/{s}:ro" for s in service.get("secrets", ())]
    arguments += [f"--stop-timeout={parse_seconds(service['stop_grace_period'])}"]
    arguments += [*_health_arguments(service["healthcheck"]), *_log_arguments(service["logging"])]
    return [*arguments, service["image"], *service.get("command", ())]


def parse_seconds(duration: str) -> int:
    """Return a duration such as `90s` or `15m` in seconds."""
    return int(duration[:-1]) * SECONDS_OF_UNIT[duration[-1]]


def _resolve_volume(volume: str, repository: Path) -> str:
    """Return a volume with an absolute source; a named volume stays as it is."""
    return str(repository / volume) if volume.startswith("./") else volume


def _health_arguments(healthcheck: Json) -> list[str]:
    kind, *command = healthcheck["test"]
    test = command[0] if kind == "CMD-SHELL" else json.dumps(command)
    options = {"interval": "interval", "timeout": "timeout", "retries": "retries"}
    options["start_period"] = "start-period"
    given = {option: healthcheck[key] for key, option in options.items() if key in healthcheck}
    return [f"--health-cmd={test}", *(f"--health-{key}={value}" for key, value in given.items())]


def _log_arguments(logging: Json) -> list[str]:
    """Return the log driver; podman has no `max-file` and keeps one file."""
    return [
        f"--log-driver={logging['driver']}",
        f"--log-opt=max-size={logging['options']['max-size']}",
    ]
