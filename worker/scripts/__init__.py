"""The worker's own Lua scripts, as text; each file's first lines say what it takes and returns."""

from importlib.resources import files
from typing import Final


def _text(name: str) -> str:
    return files(__name__).joinpath(f"{name}.lua").read_text("utf-8")


CLAIM: Final = _text("claim")
"""Take a job from RQ's list. Returns 1; 0 if it is another's; -1 if it is over."""
BEAT: Final = _text("beat")
"""Prove and prolong a lease. Returns 1, or 0 if it is lost."""
NOTE: Final = _text("note")
"""Write on the job's hash if the lease is ours. Returns 1; 0 if it is lost; -1 if it was edited."""
SETTLE: Final = _text("settle")
"""Write a field once as long as the lease is ours. Returns what stands there, or nothing."""
RELEASE: Final = _text("release")
"""Let a lease go if it is still ours."""
GIVE_BACK: Final = _text("give_back")
"""Put a running job back at the front of the queue. Returns 1, or 0 if the lease is lost."""
REAP: Final = _text("reap")
"""Put jobs of dead workers back at the front of the queue. Returns their ids."""
ASIDE: Final = _text("aside")
"""Keep the id of a job that nobody can read, and never hand it out again."""
TAKE: Final = _text("take")
"""Take one call from a budget. Returns the milliseconds to wait, 0 where it was granted."""
