"""The Lua scripts that both processes run in Redis, as text, with their arguments in order."""

from importlib.resources import files
from typing import Final


def _load_script(name: str) -> str:
    package = files(__name__)
    return "".join(package.joinpath(file).read_text("utf-8") for file in ("_queue.lua", name))


ACCEPT: Final = _load_script("accept.lua")
"""Take a turn in once: see `bot.store.job_queue`. Returns `[outcome, place, pending]`."""

FINISH: Final = _load_script("finish.lua")
"""Let a job's lane, slots and place go, and make the next one runnable. Returns 1, or 0 if done."""

REPAIR_ORPHANS: Final = _load_script("repair_orphans.lua")
"""Free what deleted jobs hold up. Returns how many jobs became runnable."""
