"""docker-compose.yml as a parsed document: what every container may and may not do."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

REPOSITORY: Final = Path(__file__).parents[2]
DOCUMENT: Final = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text("utf-8"))
SERVICES: Final[dict[str, Any]] = DOCUMENT["services"]
DOCKERFILE: Final = (REPOSITORY / "Dockerfile").read_text("utf-8")


@pytest.fixture(params=sorted(SERVICES))
def service(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each service in turn."""
    found: dict[str, Any] = SERVICES[request.param]
    return found


def test_every_container_is_confined(service: dict[str, Any]) -> None:
    """No root, no writable image, no capability, no way to gain one, an init, a restart."""
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert service["restart"] == "unless-stopped"
    assert re.search(r"\d", service["user"])
    assert not service["user"].startswith(("0", "root"))


def test_every_container_says_when_it_is_well_and_gets_time_to_end(service: dict[str, Any]) -> None:
    """Each has a health check and a grace period."""
    assert service["healthcheck"]["test"]
    assert service["stop_grace_period"]


def test_no_container_reaches_the_host(service: dict[str, Any]) -> None:
    """No docker socket, no host network, no privilege."""
    assert "docker.sock" not in str(service)
    assert not {"privileged", "network_mode", "pid", "ipc", "cap_add"} & set(service)


def test_redis_is_reachable_by_nobody_outside() -> None:
    """The server publishes no port and stands on an internal network only."""
    assert "ports" not in SERVICES["valkey"]
    assert SERVICES["valkey"]["networks"] == ["queue"]
    assert DOCUMENT["networks"]["queue"] == {"internal": True}


def test_only_the_demo_publishes_a_port_and_only_on_this_machine() -> None:
    """The page of the demo is on the loopback address."""
    published = {name: found["ports"] for name, found in SERVICES.items() if "ports" in found}

    assert published == {"fakeslack": ["127.0.0.1:8065:8065"]}


def test_secrets_are_files() -> None:
    """Tokens and passwords never stand in the environment, except the demo's made-up ones."""
    for name in ("bot", "worker", "demo-bot", "demo-worker"):
        variables = SERVICES[name]["environment"]
        secret = {v for v in variables if re.search(r"TOKEN|SECRET|REDIS_URL", v)}
        open_ones = {v for v in secret if not v.endswith("_FILE")}
        assert {variables[v] for v in open_ones} <= {"xoxb-fakeslack", "xapp-fakeslack"}
        mounted = {variables[v].removeprefix("/run/secrets/") for v in secret - open_ones}
        assert mounted == set(SERVICES[name]["secrets"])
        assert mounted <= set(DOCUMENT["secrets"])


def test_the_worker_has_no_app_token() -> None:
    """Only the bot can open a socket to Slack."""
    assert "slack_app_token" not in SERVICES["worker"]["secrets"]


def test_the_worker_reserves_a_gpu_and_the_demo_none() -> None:
    """One NVIDIA device for the worker; the demo runs anywhere."""
    (device,) = SERVICES["worker"]["deploy"]["resources"]["reservations"]["devices"]

    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    assert "deploy" not in SERVICES["demo-worker"]


def test_the_demo_needs_its_profile() -> None:
    """A plain start brings up the product and nothing of the demo."""
    plain = {name for name, found in SERVICES.items() if "profiles" not in found}

    assert plain == {"valkey", "bot", "worker"}


def test_every_build_target_exists_and_runs_as_nobody() -> None:
    """Each target of the compose file is a stage that ends without root."""
    targets = {found["build"]["target"] for found in SERVICES.values() if "build" in found}
    stages = dict(
        re.findall(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM|\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    )

    assert targets == set(stages) - {"base"}
    for target in targets:
        assert re.findall(r"^USER (\S+)", stages[target], re.MULTILINE)[-1] == "10001"


def test_the_bots_image_holds_no_model_library() -> None:
    """Torch and transformers are in the worker's requirements alone."""
    text = (REPOSITORY / "requirements" / "bot.txt").read_text("utf-8")

    assert not re.search(r"^(torch|transformers|tokenizers|numpy)==", text, re.MULTILINE)


def test_the_environment_example_names_what_compose_asks_for() -> None:
    """Every `${VARIABLE}` of the compose file is in .env.example, and nothing else is."""
    asked = set(re.findall(r"\$\{(\w+)", (REPOSITORY / "docker-compose.yml").read_text("utf-8")))
    example = (REPOSITORY / ".env.example").read_text("utf-8")

    assert set(re.findall(r"^(\w+)=", example, re.MULTILINE)) == asked
