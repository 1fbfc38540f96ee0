"""Pure: decides from a history which promises were broken."""

from typing import Final

from tests.chaos.history import History
from tests.chaos.promises import Bounds, Violation

ORDINARY: Final = Bounds()


def check(history: History, bounds: Bounds = ORDINARY) -> tuple[Violation, ...]:
    """Return every violation, in the order of the invariants; none where all promises held."""
    return ()
