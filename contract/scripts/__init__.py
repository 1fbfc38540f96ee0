"""The Lua scripts that both processes run in Redis, as text, with their arguments in order."""

from importlib.resources import files
from typing import Final

ACCEPT: Final = files(__name__).joinpath("accept.lua").read_text("utf-8")
"""Take a turn in once: see `bot.outbox`. Returns `[outcome, place, pending]`."""

FINISH: Final = files(__name__).joinpath("finish.lua").read_text("utf-8")
"""Let a job's lane, slots and place go, and make the next one runnable. Returns 1, or 0 if done."""
