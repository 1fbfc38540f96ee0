"""The worker's own Lua scripts, as text; each file's first lines say what it takes and returns."""

from importlib.resources import files
from typing import Final


def _read_script(name: str) -> str:
    return files(__name__).joinpath(f"{name}.lua").read_text("utf-8")


CLAIM: Final = _read_script("claim")
"""Take a job from RQ's list. Returns 1; 0 if it is another's; -1 if it is over."""
RENEW_LEASE: Final = _read_script("renew_lease")
"""Prove and prolong a lease. Returns 1, or 0 if it is lost."""
WRITE_FENCED: Final = _read_script("write_fenced")
"""Write on the job's hash if the lease is ours. Returns 1; 0 if it is lost; -1 if it was edited."""
SET_ONCE_FENCED: Final = _read_script("set_once_fenced")
"""Write a field once as long as the lease is ours. Returns what stands there, or nothing."""
RELEASE: Final = _read_script("release")
"""Let a lease go if it is still ours."""
REQUEUE: Final = _read_script("requeue")
"""Put a running job back at the front of the queue. Returns 1, or 0 if the lease is lost."""
REAP: Final = _read_script("reap")
"""Put jobs of dead workers back at the front of the queue. Returns their ids."""
QUARANTINE: Final = _read_script("quarantine")
"""Keep the id of a job that nobody can read, and never hand it out again."""
TAKE_TOKEN: Final = _read_script("take_token")
"""Take one call from a budget. Returns the milliseconds to wait, 0 where it was granted."""
