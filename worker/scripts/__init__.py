"""Lua scripts of the worker. Each file starts with its keys, arguments and return values."""

from importlib.resources import files
from typing import Final

from contract.scripts import KEY_TYPES, TEXT_INDEX, USAGE


def _read_script(name: str, functions: str = "") -> str:
    return KEY_TYPES + functions + files(__name__).joinpath(f"{name}.lua").read_text("utf-8")


CLAIM: Final = _read_script("claim")
"""Claim a dequeued job. Returns 1, 0 if another execution has it, -1 if it is over."""
RENEW_LEASE: Final = _read_script("renew_lease")
"""Prove and renew a lease. Returns 1, or 0 if it is lost."""
WRITE_FENCED: Final = _read_script("write_fenced")
"""Write fields of the job hash. Returns 1, 0 if the lease is lost, -1 after an edit."""
SAVE_ANSWER: Final = _read_script("save_answer", USAGE)
"""Charge a generation once and save its answer. Returns as `WRITE_FENCED`."""
SET_ONCE_FENCED: Final = _read_script("set_once_fenced")
"""Write an empty field of the job hash. Returns its value, or nothing if the lease is lost."""
RELEASE: Final = _read_script("release")
"""Release a lease if its token matches."""
REQUEUE: Final = _read_script("requeue")
"""Put a running job at an end of the queue. Returns 1, or 0 if the lease is lost."""
REAP: Final = _read_script("reap")
"""Put the jobs of dead workers at the front of the queue. Returns their ids."""
COUNT_ATTEMPT: Final = _read_script("count_attempt")
"""Count an attempt at a job. Returns its number, or 0 if the job is deleted."""
STORE_ANSWER: Final = TEXT_INDEX + _read_script("store_answer")
"""Store an answer in the answer cache. Returns how many answers it holds."""
STORE_FILE: Final = TEXT_INDEX + _read_script("store_file")
"""Store the text of a file in the file cache. Returns how many files it holds."""
QUARANTINE: Final = _read_script("quarantine")
"""Quarantine an unreadable job: record its id and never run it again."""
