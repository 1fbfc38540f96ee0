"""
A request on its way, and its part of a step; pure Python, no torch.

A live request is its tokens (prompt and reply so far) and the number of them whose keys and values
its slot holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from worker.engine import Request
from worker.engine.core.ngram_proposer import NgramProposer


@dataclass(slots=True, eq=False)
class RequestState:
    """A request on its way: `held` of its `tokens` are in slot `slot`."""

    request: Request
    token_ids: list[int]
    arrival: int
    slot: int = -1
    num_computed_tokens: int = 0
    failed_steps: int = 0
    is_suspect: bool = False
    proposer: NgramProposer | None = field(init=False)

    def __post_init__(self) -> None:
        self.proposer = NgramProposer(self.token_ids)

    @property
    def num_new_tokens(self) -> int:
        """How many tokens the reply has."""
        return len(self.token_ids) - len(self.request.prompt)

    @property
    def num_uncomputed_tokens(self) -> int:
        """How many tokens must be fed before the next one can be chosen."""
        return len(self.token_ids) - self.num_computed_tokens


@dataclass(frozen=True, slots=True)
class ScheduledRequest:
    """
    The part of one step that belongs to one request: `count` tokens from position `start`.

    After them come `drafted` tokens, which are not the request's own yet.
    """

    state: RequestState
    start: int
    num_tokens: int
    draft_ids: tuple[int, ...] = ()

    @property
    def token_ids(self) -> list[int]:
        """The tokens to feed."""
        return [*self.state.token_ids[self.start : self.start + self.num_tokens], *self.draft_ids]

    @property
    def can_sample(self) -> bool:
        """Whether the next token can be chosen after this."""
        return self.start + self.num_tokens == len(self.state.token_ids)

    @property
    def num_logits(self) -> int:
        """How many tokens can be chosen after this, if all that are drafted are chosen."""
        return 1 + len(self.draft_ids) if self.can_sample else 0

    def accepts_draft(self, sampled: Sequence[int]) -> bool:
        """Whether a token can be chosen after those that were: the last one was fed, as drafted."""
        index = len(sampled) - 1
        return self.draft_ids[index : index + 1] == (sampled[-1],) and not self.is_stop_token(
            sampled[-1]
        )

    def is_stop_token(self, token: int) -> bool:
        """Whether a token ends the reply; it is no part of it."""
        return token in self.state.request.stop_ids
