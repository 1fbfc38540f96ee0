"""
What may come next in a reply, from where its last tokens stood before; pure Python, no torch.

Answers about code repeat the code that they are about. A draft of the next tokens costs nothing to
make, and one forward pass says at each of its places what the model chooses there: what agrees is
kept, so the reply is the same with drafts and without (Leviathan et al., 2023; the n-gram index is
prompt lookup, Saxena, 2023).
"""

from dataclasses import dataclass, field
from typing import Final

GRAMS: Final = (5, 3)
"""How many last tokens are looked for, the longer run of them first."""
PRIOR: Final = 0.5
RATE: Final = 0.2
"""How fast `Drafter.trust` follows what is chosen, from `PRIOR` on."""

RIDGE: Final = {"cpu": 10.0, "cuda": 64.0}
"""
As many tokens in a step take as long as reading the weights once, by kind of device.

Measured on one core with 110 and 135 million weights (10 to 17 there; see docs/decisions.md); for
CUDA half of what the data sheet of an A100 gives, where a recorded step has all its rows anyway.
"""

SINGLE: Final = {"cpu": 0.7, "cuda": 1.0}
"""
What a step of one row takes of what the ridge says, by kind of device.

On a CPU a single row has weights laid out for it (see `worker.engine.loading.cpu_linear`), so the first
drafted token costs more than those after it.
"""


@dataclass(slots=True)
class Drafter:
    """
    Drafts for one request. `tokens` is the request's own list, which grows.

    `trust` estimates how likely a drafted token is the one that is chosen. Every token of a reply
    that could have been drafted counts, whether it was or not: so what stopped to repeat itself
    and begins again is found at no cost.
    """

    tokens: list[int]
    trust: float = PRIOR
    _after: dict[tuple[int, ...], int] = field(default_factory=dict)
    _prompt: int = field(init=False)
    _read: int = 0

    def __post_init__(self) -> None:
        self._prompt = len(self.tokens)

    def draft(self, most: int) -> list[int]:
        """Return up to `most` tokens that may come next; none where nothing speaks for any."""
        place = self._place(len(self.tokens))
        if place is None:
            return []
        drafted: list[int] = []
        for at in range(place, place + most):
            # A source that reaches the end of the text goes on in the draft itself.
            beyond = at - len(self.tokens)
            drafted.append(self.tokens[at] if beyond < 0 else drafted[beyond])
        return drafted

    def learn(self) -> None:
        """Take in the tokens that are new since the last time."""
        for at in range(self._read, len(self.tokens)):
            place = self._place(at) if at >= self._prompt else None
            if place is not None:
                right = self.tokens[place] == self.tokens[at]
                self.trust += RATE * (right - self.trust)
            for size in GRAMS:
                if at >= size:
                    self._after[tuple(self.tokens[at - size : at])] = at
        self._read = len(self.tokens)

    def _place(self, at: int) -> int | None:
        """Return what came after the tokens before `at` when they stood there the last time."""
        for size in GRAMS:
            place = self._after.get(tuple(self.tokens[max(0, at - size) : at]))
            if place is not None:
                return place
        return None


def worthwhile(trust: float, rows: int, ridge: float, most: int, single: float = 1.0) -> int:
    """
    Return how many drafted tokens are worth their time beside the other `rows` of a step.

    A step takes `ridge + rows` (in the time of a row) and brings about `rows` tokens. A further row
    is worth it while the chance `p` that it is kept, `trust` to the power of its place in the
    draft, brings more than that: `p * (ridge + rows) > rows`. So for a few requests drafts are
    long where they are trusted, and beside many requests or a prompt that is read there are none.
    Where a row alone takes only `single` of its step, all of the draft must make up for the rest.
    """
    chance, tokens, length = trust, 1.0, 0
    while length < most and chance * (ridge + rows + length) > rows + length:
        tokens += chance
        chance *= trust
        length += 1
    if rows == 1 and tokens * single * (ridge + 1) < ridge + 1 + length:
        return 0
    return length
