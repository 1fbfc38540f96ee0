"""
Names of the variables STARCHAT_*, to find misspelt ones: an ignored access rule lets people in.

Bot and worker often share an environment, so that each must know the names of both.
"""

import os
from difflib import get_close_matches
from typing import Final

import structlog

log = structlog.get_logger()

PREFIX: Final = "STARCHAT_"
MIN_MISSPELT_RATIO: Final = 0.7
"""
difflib's ratio of two names from which on one is a misspelling of the other.

Kubernetes sets variables such as STARCHAT_BOT_SERVICE_PORT by itself. They are below it.
"""
KNOWN_NAMES: Final = frozenset(
    """
    ADMINS ALLOWED_BOTS CANARY CANDIDATES CHANNELS_FILE CLASSIFIER_THRESHOLD CLASSIFIER_URL
    COMPILE CUDA_GRAPHS DAILY_GPU_SECONDS_PER_CHANNEL DAILY_GPU_SECONDS_PER_USER DEADLINE
    DEVICE DTYPE EDIT_INTERVAL ENGINE_DIALECT ENGINE_KEY ENGINE_KEY_FILE ENGINE_URL
    EXTERNAL_USERS FAILPOINT GID GUESTS HEARTBEAT_INTERVAL LEASE_SECONDS LOG_LEVEL
    MAX_ATTEMPTS MAX_NEW_TOKENS MAX_PENDING MAX_PENDING_PER_USER MAX_RUNNING_PER_USER
    MAX_TEMPERATURE MODEL ON_EDIT QUANTIZATION QUESTION REAP_INTERVAL RESEARCH_NOTICE
    RESULT_TTL REVISION SANDBOX SHUTDOWN_GRACE SLOTS SPECULATIVE_TOKENS STREAMING
    SYSTEM_PROMPT TEMPERATURE THREADS TOP_K TOP_P UID VOTES_RETENTION_DAYS VOTES_WITH_TEXT
    WORDS_FILE
    """.split()  # noqa: SIM905 - a list would take 60 lines
)
"""Settings of bot and worker, files of secrets, and what Makefile and Compose read."""


def find_unknown_variables() -> dict[str, str | None]:
    """Return each variable STARCHAT_* that has no meaning, with the setting it resembles."""
    unknown = {}
    for variable, value in sorted(os.environ.items()):
        name = variable.upper().removeprefix(PREFIX)
        if value and name != variable.upper() and name not in KNOWN_NAMES:
            unknown[variable] = _find_resembling(name)
    return unknown


def log_unknown_variables() -> None:
    """Warn of each variable STARCHAT_* that has no meaning."""
    for variable in find_unknown_variables():
        log.warning("variable is no setting", variable=variable)


def _find_resembling(name: str) -> str | None:
    # Only a secret may be a file in `X_FILE`. Others are often tried.
    plain = name.removesuffix("_FILE")
    if plain in KNOWN_NAMES:
        return PREFIX + plain
    found = get_close_matches(name, sorted(KNOWN_NAMES), 1, MIN_MISSPELT_RATIO)
    return PREFIX + found[0] if found else None
