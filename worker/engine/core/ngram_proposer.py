"""
N-gram proposer for speculative decoding: drafts by prompt lookup (Saxena, 2023). Pure Python.

Answers about code repeat the code in the question. The proposer drafts the tokens that followed
the last n-gram at its previous occurrence, at no cost. One forward pass then verifies the whole
draft (Leviathan et al., 2023). The reply is the same with drafts and without.
"""

from dataclasses import dataclass, field
from typing import Final

NGRAM_SIZES: Final = (5, 3)
"""Lengths of the n-grams that are looked up, the longest first."""
INITIAL_ACCEPTANCE_RATE: Final = 0.5
ACCEPTANCE_LEARNING_RATE: Final = 0.2
"""Weight of each new observation in the moving average of `NgramProposer.acceptance_rate`."""

RIDGE_TOKENS: Final = {"cpu": 10.0, "cuda": 64.0}
"""
Ridge point of the roofline model (Williams et al., 2009), in tokens of a step, by device type.

A step of this many tokens takes twice the time of one read of the weights. CPU: measured on one
core with 110 and 135 million weights in float32 (10 to 17), and lowered for attention, which runs
once per request. Packed float16 and int8 layers have not been measured so. CUDA: half of what an
A100's data sheet gives, because a captured step computes all its padded rows anyway.
"""


@dataclass(slots=True)
class NgramProposer:
    """
    Proposer for one request. `token_ids` is the request's own list, which grows.

    `acceptance_rate` estimates the probability that a draft token is sampled. It learns from every
    reply token that could have been drafted, drafted or not. A reply that starts repeating itself
    again is therefore noticed at no cost.
    """

    token_ids: list[int]
    acceptance_rate: float = INITIAL_ACCEPTANCE_RATE
    _index: dict[tuple[int, ...], int] = field(default_factory=dict)
    _prompt_length: int = field(init=False)
    _num_indexed: int = 0

    def __post_init__(self) -> None:
        self._prompt_length = len(self.token_ids)

    def propose_tokens(self, max_tokens: int) -> list[int]:
        """Return a draft of `max_tokens` token ids, or none if no n-gram matches."""
        match = self._find_match(len(self.token_ids))
        if match is None:
            return []
        proposed: list[int] = []
        for position in range(match, match + max_tokens):
            # A source that reaches the end of the text continues in the draft itself.
            beyond = position - len(self.token_ids)
            proposed.append(self.token_ids[position] if beyond < 0 else proposed[beyond])
        return proposed

    def update_index(self) -> None:
        """Index the tokens that are new since the last call."""
        for position in range(self._num_indexed, len(self.token_ids)):
            match = self._find_match(position) if position >= self._prompt_length else None
            if match is not None:
                is_accepted = self.token_ids[match] == self.token_ids[position]
                self.acceptance_rate += ACCEPTANCE_LEARNING_RATE * (
                    is_accepted - self.acceptance_rate
                )
            for size in NGRAM_SIZES:
                if position >= size:
                    self._index[tuple(self.token_ids[position - size : position])] = position
        self._num_indexed = len(self.token_ids)

    def _find_match(self, position: int) -> int | None:
        """Return the position after the previous occurrence of the n-gram before `position`."""
        for size in NGRAM_SIZES:
            match = self._index.get(tuple(self.token_ids[max(0, position - size) : position]))
            if match is not None:
                return match
        return None


def choose_draft_length(
    acceptance_rate: float, num_rows: int, ridge_tokens: float, max_length: int
) -> int:
    """
    Return the draft length that pays off in a step with `num_rows` other rows.

    By the roofline model a step takes `ridge_tokens + num_rows` row times and yields about
    `num_rows` tokens. One more draft token pays off while its chance `p` of acceptance,
    `acceptance_rate` to the power of its place in the draft, satisfies
    `p * (ridge_tokens + num_rows) > num_rows`. Drafts are long in small batches and at high
    acceptance rates; in large batches or beside a prefill there are none.
    """
    chance, length = acceptance_rate, 0
    while length < max_length and chance * (ridge_tokens + num_rows + length) > num_rows + length:
        chance *= acceptance_rate
        length += 1
    return length
