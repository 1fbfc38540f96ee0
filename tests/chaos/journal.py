"""
Collects the history of a run from a workspace and from the logs of our processes.

A question is a message of a person that shows a token (`q17-ab12`, see `token`). Our messages
say by metadata what they are. Where a bot has none, a message that shows a token is a reply, one
that says "error" is an error, and anything else is a placeholder.
"""

import re
from collections.abc import Iterable
from typing import Final

from tests.chaos.history import Canary, Find, History, Sample
from tests.support.processes import Process
from tests.support.workspace import Workspace

TOKEN: Final = re.compile(r"\bq\d+-[0-9a-f]{4,}\b")


def token(number: int, seed: int = 0) -> str:
    """Return the token of the question with this number, which no other question has."""
    return f"q{number}-{seed * 1_000_003 + number * 7919 & 0xFFFFFF:06x}"


def collect(
    workspace: Workspace,
    processes: Iterable[Process] = (),
    *,
    secrets: Iterable[str] = (),
    canaries: Iterable[Canary] = (),
    samples: Iterable[Sample] = (),
    finds: Iterable[Find] = (),
) -> History:
    """
    Return what has happened in a workspace so far, with what the processes have logged.

    Raises `AssertionError` where the workspace has already forgotten the beginning.
    """
    raise NotImplementedError
