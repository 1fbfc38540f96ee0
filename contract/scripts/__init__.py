"""Lua scripts that both processes run in Redis, with their arguments in order."""

from importlib.resources import files
from typing import Final


def _load_script(name: str) -> str:
    package = files(__name__)
    return "".join(package.joinpath(file).read_text("utf-8") for file in ("_queue.lua", name))


ACCEPT: Final = _load_script("accept.lua")
"""Enqueue a question once: see `accept.lua`. Returns `[outcome, jobs ahead, pending]`."""

FINISH: Final = _load_script("finish.lua")
"""Release a job's quota and queue place, and promote the next job. Returns 1, or 0 if repeated."""

REPAIR_ORPHANS: Final = _load_script("repair_orphans.lua")
"""Release what deleted jobs still hold. Returns how many jobs became runnable."""
