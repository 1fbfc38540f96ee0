"""The Lua scripts that both processes run in Redis, as text, with their arguments in order."""

from importlib.resources import files
from typing import Final


def _script(name: str) -> str:
    here = files(__name__)
    return "".join(here.joinpath(file).read_text("utf-8") for file in ("places.lua", name))


ACCEPT: Final = _script("accept.lua")
"""Take a turn in once: see `bot.store.job_queue`. Returns `[outcome, place, pending]`."""

FINISH: Final = _script("finish.lua")
"""Let a job's lane, slots and place go, and make the next one runnable. Returns 1, or 0 if done."""

HEAL: Final = _script("heal.lua")
"""Free what deleted jobs hold up. Returns how many jobs became runnable."""
