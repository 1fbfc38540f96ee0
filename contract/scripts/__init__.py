"""Lua scripts that both processes run in Redis, with their arguments in order."""

from importlib.resources import files
from typing import Final


def _load_script(*names: str) -> str:
    package = files(__name__)
    return "".join(package.joinpath(name).read_text("utf-8") for name in names)


KEY_TYPES: Final = _load_script("_key_types.lua")
"""Check of the keys' types; it begins every script."""

TEXT_INDEX: Final = _load_script("_text_index.lua")
"""Functions that bound a team's cached text, for scripts that write or drop it."""

USAGE: Final = _load_script("_usage.lua")
"""Functions that sum what replies use, for scripts that read or add to it."""

ACCEPT: Final = KEY_TYPES + USAGE + _load_script("_queue.lua", "accept.lua")
"""Accept a question once: see `accept.lua`. Returns `[outcome, jobs ahead, pending]`."""

FILL: Final = KEY_TYPES + _load_script("_queue.lua", "fill.lua")
"""Fill an accepted question in with its conversation. Returns `filled`, `conflict` or `gone`."""

DROP_UNREAD: Final = KEY_TYPES + _load_script("_queue.lua", "drop_unread.lua")
"""Drop an accepted message that is no question. Returns 1, or 0 if it was edited since."""

FINISH: Final = KEY_TYPES + _load_script("_queue.lua", "finish.lua")
"""Release a job's quota and queue place, and promote the next job. Returns 1, or 0 if repeated."""

STOP: Final = KEY_TYPES + _load_script("_queue.lua", "stop.lua")
"""Stop a job for a person. Returns `gone`, `ended`, `running` or `stopped`."""

REPAIR_ORPHANS: Final = KEY_TYPES + _load_script("_queue.lua", "repair_orphans.lua")
"""Release what deleted jobs still hold. Returns how many jobs became runnable."""

TAKE_TOKEN: Final = KEY_TYPES + _load_script("take_token.lua")
"""Take a token from each of a call's buckets. Returns the ms to wait, 0 if it is granted."""

SET_ASIDE: Final = KEY_TYPES + _load_script("set_aside.lua")
"""Set keys of a wrong type aside. Returns the names of those not yet taken."""
