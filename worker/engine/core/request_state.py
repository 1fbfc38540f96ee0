"""
A request on its way, and its part of a step; pure Python, no torch.

A live request is its tokens (prompt and reply so far) and the number of them whose keys and values
its slot holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from worker.engine import Request
from worker.engine.core.ngram_proposer import Drafter


@dataclass(slots=True, eq=False)
class Live:
    """A request on its way: `held` of its `tokens` are in slot `slot`."""

    request: Request
    tokens: list[int]
    age: int
    slot: int = -1
    held: int = 0
    failures: int = 0
    suspect: bool = False
    drafter: Drafter | None = field(init=False)

    def __post_init__(self) -> None:
        self.drafter = Drafter(self.tokens)

    @property
    def new(self) -> int:
        """How many tokens the reply has."""
        return len(self.tokens) - len(self.request.prompt)

    @property
    def pending(self) -> int:
        """How many tokens must be fed before the next one can be chosen."""
        return len(self.tokens) - self.held


@dataclass(frozen=True, slots=True)
class Work:
    """
    The part of one step that belongs to one request: `count` tokens from position `start`.

    After them come `drafted` tokens, which are not the request's own yet.
    """

    live: Live
    start: int
    count: int
    drafted: tuple[int, ...] = ()

    @property
    def ids(self) -> list[int]:
        """The tokens to feed."""
        return [*self.live.tokens[self.start : self.start + self.count], *self.drafted]

    @property
    def complete(self) -> bool:
        """Whether the next token can be chosen after this."""
        return self.start + self.count == len(self.live.tokens)

    @property
    def choices(self) -> int:
        """How many tokens can be chosen after this, if all that are drafted are chosen."""
        return 1 + len(self.drafted) if self.complete else 0

    def leads_on(self, chosen: Sequence[int]) -> bool:
        """Whether a token can be chosen after those that were: the last one was fed, as drafted."""
        place = len(chosen) - 1
        return self.drafted[place : place + 1] == (chosen[-1],) and not self.ends(chosen[-1])

    def ends(self, token: int) -> bool:
        """Whether a token ends the reply; it is no part of it."""
        return token in self.live.request.stop
