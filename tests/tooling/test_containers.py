"""The container trial's translation of docker-compose.yml to podman."""

import os
from pathlib import Path
from typing import Any, Final

import pytest

from scripts.containers import compose, confinement

REPOSITORY: Final = Path(__file__).parents[2]
SERVICES: Final = compose.load_services(
    REPOSITORY / "docker-compose.yml", {"STARCHAT_UID": "1234", "STARCHAT_GID": ""}
)


def _translate(name: str, service: dict[str, Any] | None = None) -> list[str]:
    return compose.build_arguments(
        name,
        SERVICES[name] if service is None else service,
        repository=Path("/checkout"),
        secrets=Path("/secrets"),
        hosts={"valkey": "10.0.0.2"},
        environment={"SLACK_API_URL": "http://fakeslack:8065/api/"},
    )


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_is_translated(name: str) -> None:
    """Each service keeps its confinement, health check and stop time."""
    arguments = _translate(name)

    assert {"--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only", "--init"} <= set(
        arguments
    )
    assert {"--read-only-tmpfs=false", "--tmpfs=/tmp"} <= set(arguments)
    assert arguments[arguments.index("--restart") + 1] == "unless-stopped"
    assert any(argument.startswith("--health-cmd=") for argument in arguments)
    grace = compose.parse_seconds(SERVICES[name]["stop_grace_period"])
    assert f"--stop-timeout={grace}" in arguments
    assert f"--network={SERVICES[name]['networks'][0]}" in arguments


def test_variables_secrets_and_volumes_are_resolved() -> None:
    """The user comes from .env or the default, files from the checkout and from secrets/."""
    worker, valkey = _translate("worker"), _translate("valkey")

    assert worker[worker.index("--user") + 1] == "1234:10001"
    assert "--volume=/secrets/redis_url_worker:/run/secrets/redis_url_worker:ro" in worker
    assert "--volume=models:/models" in worker
    assert "--env=SLACK_API_URL=http://fakeslack:8065/api/" in worker
    assert "--add-host=valkey:10.0.0.2" in worker
    config = "/etc/valkey/redis.conf"
    assert f"--volume=/checkout/deploy/redis.conf:{config}:ro" in valkey
    assert valkey[-3:] == ["valkey/valkey:9", "valkey-server", config]


def test_unknown_field_stops_the_trial() -> None:
    """A new field of the file is not ignored silently."""
    with pytest.raises(compose.UntranslatedError, match="bot: pids_limit"):
        _translate("bot", SERVICES["bot"] | {"pids_limit": 100})


def test_process_with_rights_is_reported() -> None:
    """A process of another user, with capabilities or new privileges, fails the check."""
    with pytest.raises(confinement.ConfinementError, match=r"user, .*new privileges"):
        confinement.check_container(SERVICES["bot"], os.getpid())
