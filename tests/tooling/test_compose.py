"""docker-compose.yml: the permissions and limits of every container."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from packaging.utils import canonicalize_name

from bot.settings import Settings as BotSettings
from bot.slack.http_mode import EVENTS_PATH
from worker.settings import Settings as WorkerSettings

REPOSITORY: Final = Path(__file__).parents[2]
DOCUMENT: Final = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text("utf-8"))
SERVICES: Final[dict[str, Any]] = DOCUMENT["services"]
OPTIONAL_IMPORTS: Final = {"bitsandbytes", "torchao", "flash_attn", "gguf"}
"""Extras that an operator installs by choice."""
DOCKERFILE: Final = (REPOSITORY / "Dockerfile").read_text("utf-8")


@pytest.fixture(params=sorted(SERVICES))
def service(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each service in turn."""
    settings: dict[str, Any] = SERVICES[request.param]
    return settings


def test_container_is_confined(service: dict[str, Any]) -> None:
    """No root, a read-only image, no capabilities, no new privileges, an init, a restart policy."""
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert service["restart"] == "unless-stopped"
    assert re.search(r"\d", service["user"])
    assert not service["user"].startswith(("0", "root"))


def test_container_has_health_check_and_grace_period(service: dict[str, Any]) -> None:
    """Each has a health check and a grace period."""
    assert service["healthcheck"]["test"]
    assert service["stop_grace_period"]


def test_container_cannot_reach_host(service: dict[str, Any]) -> None:
    """No docker socket, no host network, no privilege."""
    assert "docker.sock" not in str(service)
    assert not {"privileged", "network_mode", "pid", "ipc", "cap_add"} & set(service)


def test_redis_is_internal_only() -> None:
    """The server publishes no port and is on an internal network only."""
    assert "ports" not in SERVICES["valkey"]
    assert SERVICES["valkey"]["networks"] == ["queue"]
    assert DOCUMENT["networks"]["queue"] == {"internal": True}


def test_only_demo_publishes_a_loopback_port() -> None:
    """The page of the demo is on the loopback address."""
    published = {name: found["ports"] for name, found in SERVICES.items() if "ports" in found}

    assert published == {"fakeslack": ["127.0.0.1:8065:8065"]}


def test_secrets_are_mounted_as_files() -> None:
    """No token or password is in the environment, except the demo's made-up ones."""
    for name in ("bot", "worker", "remote-worker", "demo-bot", "demo-worker"):
        variables = SERVICES[name]["environment"]
        secret = {v for v in variables if re.search(r"TOKEN|SECRET|REDIS_URL", v)}
        plain_values = {v for v in secret if not v.endswith("_FILE")}
        assert {variables[v] for v in plain_values} <= {"xoxb-fakeslack", "xapp-fakeslack"}
        mounted = {variables[v].removeprefix("/run/secrets/") for v in secret - plain_values}
        assert mounted == set(SERVICES[name]["secrets"])
        assert mounted <= set(DOCUMENT["secrets"])


def test_worker_has_no_app_token() -> None:
    """Only the bot can open a socket to Slack."""
    assert "slack_app_token" not in SERVICES["worker"]["secrets"]


def test_only_worker_reserves_a_gpu() -> None:
    """One NVIDIA device for the worker; the demo runs anywhere."""
    (device,) = SERVICES["worker"]["deploy"]["resources"]["reservations"]["devices"]

    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    assert "deploy" not in SERVICES["demo-worker"]


def test_demo_services_need_the_demo_profile() -> None:
    """A plain start brings up the product and nothing of the demo."""
    plain = {name for name, found in SERVICES.items() if "profiles" not in found}

    assert plain == {"valkey", "bot", "worker"}


def test_every_build_target_runs_without_root() -> None:
    """Each build target is a Dockerfile stage whose last USER is not root."""
    targets = {found["build"]["target"] for found in SERVICES.values() if "build" in found}
    stages = dict(
        re.findall(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM|\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    )

    assert targets == set(stages) - {"base", "cpu-kernels"}
    for target in targets:
        assert re.findall(r"^USER (\S+)", stages[target], re.MULTILINE)[-1] == "10001"


def test_bot_image_has_no_model_library() -> None:
    """Torch and transformers are in the worker's requirements alone."""
    text = (REPOSITORY / "requirements" / "bot.txt").read_text("utf-8")

    assert not re.search(r"^(torch|transformers|tokenizers|numpy)==", text, re.MULTILINE)


def test_env_example_lists_compose_variables() -> None:
    """Every `${VARIABLE}` of the compose file is in .env.example, and nothing else is."""
    asked = set(re.findall(r"\$\{(\w+)", (REPOSITORY / "docker-compose.yml").read_text("utf-8")))
    example = (REPOSITORY / ".env.example").read_text("utf-8")

    assert set(re.findall(r"^(\w+)=", example, re.MULTILINE)) == asked


def test_settings_reach_bot_and_worker() -> None:
    """Lines of `.env` do, if it exists, and no variable hides them; the demo keeps its own."""
    files = {name: found["env_file"] for name, found in SERVICES.items() if "env_file" in found}
    assert all(file == [{"path": ".env", "required": False}] for file in files.values())
    variables = {name for reader in files for name in SERVICES[reader]["environment"]}
    settings = {name.upper() for name in (*BotSettings.model_fields, *WorkerSettings.model_fields)}

    assert set(files) == {"bot", "worker", "remote-worker"}
    assert variables & settings == {"HEALTH_PORT", "STARCHAT_ENGINE_URL"}
    example = (REPOSITORY / ".env.example").read_text("utf-8")
    assert set(re.findall(r"^# (\w+)=", example, re.MULTILINE)) <= settings | {"HTTPS_PROXY"}


def test_address_of_a_server_is_for_its_own_worker() -> None:
    """The worker with a GPU would leave it unused."""
    assert SERVICES["worker"]["environment"]["STARCHAT_ENGINE_URL"] == ""
    assert SERVICES["remote-worker"]["environment"]["STARCHAT_ENGINE_URL"]


def test_worker_writes_only_to_its_volume_and_to_tmp() -> None:
    """Downloads and conversions go to the mounted volume: the rest of the image is read-only."""
    (variables,) = set(re.findall(r"^ENV (HF_HOME=.*)$", DOCKERFILE, re.MULTILINE))
    directories = dict(pair.split("=") for pair in variables.split())

    for name in ("worker", "remote-worker", "demo-worker"):
        assert SERVICES[name]["volumes"] == ["models:/models"]
    assert directories["HF_HOME"] == directories["XDG_CACHE_HOME"] == "/models"
    assert directories["HOME"] == "/tmp"


def test_bot_writes_only_its_records_and_to_tmp() -> None:
    """The default database is in the mounted volume; the demo's is another one."""
    assert "ENV DATABASE_URL=sqlite:////data/starchat.db\n" in DOCKERFILE
    assert SERVICES["bot"]["volumes"] == ["records:/data"]
    assert SERVICES["demo-bot"]["volumes"] == ["demo-records:/data"]
    assert {"records", "demo-records"} <= set(DOCUMENT["volumes"])


def test_fakeslack_answers_to_its_service_name() -> None:
    """Bot and worker of the demo reach it under a name that it must allow."""
    assert SERVICES["fakeslack"]["command"] == ["--allow-host", "fakeslack"]
    for name in ("demo-bot", "demo-worker"):
        assert SERVICES[name]["environment"]["SLACK_API_URL"] == "http://fakeslack:8065/api/"


@pytest.mark.parametrize(
    ("image", "packages", "unused"),
    [
        ("bot", ("contract", "bot"), ""),
        ("worker", ("contract", "worker"), ""),
        ("remote-worker", ("contract", "worker"), "worker/engine/"),
        ("fakeslack", ("fakeslack",), ""),
    ],
)
def test_image_has_every_package_that_its_code_imports(
    image: str, packages: tuple[str, ...], unused: str
) -> None:
    """A package that only the development environment has would stop the container."""
    text = (REPOSITORY / "requirements" / f"{image}.txt").read_text("utf-8")
    pinned = {"torch"} if image == "worker" else set()
    pinned |= {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}
    providers = packages_distributions()

    assert {
        name
        for name in _list_imports(packages, unused) - sys.stdlib_module_names - set(packages)
        if not {canonicalize_name(found) for found in providers.get(name, ())} & pinned
    } <= OPTIONAL_IMPORTS


def _list_imports(packages: tuple[str, ...], unused: str) -> set[str]:
    """Return the first names of all absolute imports, outside of an unused directory."""
    files = [file for package in packages for file in (REPOSITORY / package).rglob("*.py")]
    used = [
        file
        for file in files
        if not unused or not file.relative_to(REPOSITORY).as_posix().startswith(unused)
    ]
    nodes = [node for file in used for node in ast.walk(ast.parse(file.read_text("utf-8")))]
    names = [alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names]
    names += [str(n.module) for n in nodes if isinstance(n, ast.ImportFrom) and not n.level]
    return {name.partition(".")[0] for name in names}


def test_http_mode_is_described_as_it_is() -> None:
    """The path, the port, and variables that the bot reads; the one of Socket Mode is unset."""
    text = (REPOSITORY / "docs" / "operations.md").read_text("utf-8")
    section = text.partition("## HTTP mode")[2].partition("\n## ")[0]
    bot = yaml.safe_load(section.partition("```yaml")[2].partition("```")[0])["services"]["bot"]

    port = BotSettings.model_fields["port"].default
    assert f"passes `{EVENTS_PATH}` on to `PORT` ({port})" in section
    assert bot["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert bot["environment"] == {
        "SLACK_APP_TOKEN_FILE": "",
        "SLACK_SIGNING_SECRET_FILE": "/run/secrets/slack_signing_secret",
    }
    for variable in bot["environment"]:
        assert variable.removesuffix("_FILE").lower() in BotSettings.model_fields
