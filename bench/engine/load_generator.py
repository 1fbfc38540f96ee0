"""Plays requests to one peer and notes when each token is there; needs no model library."""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, Protocol

from bench.engine.workload import Wish

STATUS: Final = Path("/proc/self/status")
FORGET: Final = Path("/proc/self/clear_refs")
"""Writing 5 there makes the kernel forget the highest memory so far (see `man proc`)."""


class Peer(Protocol):
    """One engine with the model loaded, and a way to let it go on a little."""

    streams: bool
    """Whether tokens are seen one by one, and not all at a reply's end."""

    @property
    def busy(self) -> bool:
        """Whether any request is not over."""
        ...

    def add(self, wish: Wish) -> None:
        """Take a request in; greedy, and no end but its length."""
        ...

    def step(self) -> Sequence[tuple[str, int]]:
        """Go on until something is there: new tokens with the names of their requests."""
        ...

    def close(self) -> None:
        """End whatever runs beside the caller."""
        ...


class Clock:
    """CPU seconds of this process, and the time until the next arrival where it has no work."""

    def __init__(self) -> None:
        self._began = time.process_time()
        self._skipped = 0.0

    @property
    def worked(self) -> float:
        """CPU seconds so far."""
        return time.process_time() - self._began

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return self.worked + self._skipped

    def skip_to(self, moment: float) -> None:
        """Let the time until a moment pass at once."""
        self._skipped += max(0.0, moment - self.now)


@dataclass(frozen=True, slots=True)
class Played:
    """
    How one peer did: CPU seconds, and seconds of the clock.

    `firsts` are the times from arrival to the first token, `gaps` those between two tokens of one
    reply (none where replies are seen whole), `memory` the most MiB that the process had.
    """

    seconds: float
    firsts: list[float]
    gaps: list[float]
    memory: float


def play(peer: Peer, wishes: Sequence[Wish]) -> tuple[Played, dict[str, list[int]]]:
    """Let a peer answer all requests as they arrive; also returns the replies."""
    coming = deque(sorted(wishes, key=lambda wish: wish.at))
    moments: dict[str, list[float]] = {wish.name: [] for wish in wishes}
    replies: dict[str, list[int]] = {wish.name: [] for wish in wishes}
    _forget_peak()
    clock = Clock()
    while coming or peer.busy:
        if not peer.busy:
            clock.skip_to(coming[0].at)
        while coming and coming[0].at <= clock.now:
            peer.add(coming.popleft())
        found = peer.step()
        now = clock.now
        for name, token in found:
            moments[name].append(now)
            replies[name].append(token)
    seconds = clock.worked
    firsts = [moments[wish.name][0] - wish.at for wish in wishes]
    gaps = [
        after - before
        for seen in moments.values()
        for before, after in pairwise(seen)
        if peer.streams
    ]
    return Played(seconds, firsts, gaps, _peak()), replies


def play_thread(
    peer: Peer, said: Sequence[tuple[int, ...]], new: int, thread: str
) -> tuple[Played, dict[str, list[int]]]:
    """Let a peer answer turn by turn; each prompt is all that was said before, both sides."""
    past: tuple[int, ...] = ()
    seconds, firsts, gaps, memory = 0.0, [], [], 0.0
    replies: dict[str, list[int]] = {}
    for number, message in enumerate(said):
        past += message
        played, found = play(peer, [Wish(str(number), past, new, thread=thread)])
        past += tuple(found[str(number)])
        replies |= found
        seconds += played.seconds
        firsts += played.firsts
        gaps += played.gaps
        memory = max(memory, played.memory)
    return Played(seconds, firsts, gaps, memory), replies


def _forget_peak() -> None:
    try:
        FORGET.write_text("5", "ascii")
    except OSError:
        return  # not allowed everywhere; then the peak is that of the whole life so far


def _peak() -> float:
    line = next(
        line for line in STATUS.read_text("ascii").splitlines() if line.startswith("VmHWM:")
    )
    return int(line.split()[1]) / 1024
