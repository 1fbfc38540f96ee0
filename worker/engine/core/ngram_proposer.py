"""
What may come next in a reply, from where its last tokens stood before; pure Python, no torch.

Answers about code repeat the code that they are about. A draft of the next tokens costs nothing to
make, and one forward pass says at each of its places what the model chooses there: what agrees is
kept, so the reply is the same with drafts and without (Leviathan et al., 2023; the n-gram index is
prompt lookup, Saxena, 2023).
"""

from dataclasses import dataclass, field
from typing import Final

NGRAM_SIZES: Final = (5, 3)
"""How many last tokens are looked for, the longer run of them first."""
INITIAL_ACCEPTANCE_RATE: Final = 0.5
ACCEPTANCE_LEARNING_RATE: Final = 0.2
"""How fast `Drafter.trust` follows what is chosen, from `PRIOR` on."""

RIDGE_TOKENS: Final = {"cpu": 10.0, "cuda": 64.0}
"""
As many tokens in a step take as long as reading the weights once, by kind of device.

Measured on one core with 110 and 135 million weights (10 to 17 there; see docs/decisions.md); for
CUDA half of what the data sheet of an A100 gives, where a recorded step has all its rows anyway.
"""

SINGLE_ROW_COST: Final = {"cpu": 0.7, "cuda": 1.0}
"""
What a step of one row takes of what the ridge says, by kind of device.

On a CPU a single row has weights laid out for it (see `worker.engine.loading.cpu_linear`), so the first
drafted token costs more than those after it.
"""


@dataclass(slots=True)
class NgramProposer:
    """
    Drafts for one request. `tokens` is the request's own list, which grows.

    `trust` estimates how likely a drafted token is the one that is chosen. Every token of a reply
    that could have been drafted counts, whether it was or not: so what stopped to repeat itself
    and begins again is found at no cost.
    """

    token_ids: list[int]
    acceptance_rate: float = INITIAL_ACCEPTANCE_RATE
    _index: dict[tuple[int, ...], int] = field(default_factory=dict)
    _prompt_length: int = field(init=False)
    _num_indexed: int = 0

    def __post_init__(self) -> None:
        self._prompt_length = len(self.token_ids)

    def propose_tokens(self, max_tokens: int) -> list[int]:
        """Return up to `most` tokens that may come next; none where nothing speaks for any."""
        match = self._find_match(len(self.token_ids))
        if match is None:
            return []
        proposed: list[int] = []
        for at in range(match, match + max_tokens):
            # A source that reaches the end of the text goes on in the draft itself.
            beyond = at - len(self.token_ids)
            proposed.append(self.token_ids[at] if beyond < 0 else proposed[beyond])
        return proposed

    def update_index(self) -> None:
        """Take in the tokens that are new since the last time."""
        for at in range(self._num_indexed, len(self.token_ids)):
            match = self._find_match(at) if at >= self._prompt_length else None
            if match is not None:
                is_accepted = self.token_ids[match] == self.token_ids[at]
                self.acceptance_rate += ACCEPTANCE_LEARNING_RATE * (
                    is_accepted - self.acceptance_rate
                )
            for size in NGRAM_SIZES:
                if at >= size:
                    self._index[tuple(self.token_ids[at - size : at])] = at
        self._num_indexed = len(self.token_ids)

    def _find_match(self, at: int) -> int | None:
        """Return what came after the tokens before `at` when they stood there the last time."""
        for size in NGRAM_SIZES:
            match = self._index.get(tuple(self.token_ids[max(0, at - size) : at]))
            if match is not None:
                return match
        return None


def choose_draft_length(
    acceptance_rate: float,
    num_rows: int,
    ridge_tokens: float,
    max_length: int,
    single_row_cost: float = 1.0,
) -> int:
    """
    Return how many drafted tokens are worth their time beside the other `rows` of a step.

    A step takes `ridge + rows` (in the time of a row) and brings about `rows` tokens. A further row
    is worth it while the chance `p` that it is kept, `trust` to the power of its place in the
    draft, brings more than that: `p * (ridge + rows) > rows`. So for a few requests drafts are
    long where they are trusted, and beside many requests or a prompt that is read there are none.
    Where a row alone takes only `single` of its step, all of the draft must make up for the rest.
    """
    chance, expected_tokens, length = acceptance_rate, 1.0, 0
    while length < max_length and chance * (ridge_tokens + num_rows + length) > num_rows + length:
        expected_tokens += chance
        chance *= acceptance_rate
        length += 1
    if (
        num_rows == 1
        and expected_tokens * single_row_cost * (ridge_tokens + 1) < ridge_tokens + 1 + length
    ):
        return 0
    return length
