"""
Request state: a request in progress, and its share of one step. Pure Python, no torch.

Terms follow vLLM: `num_computed_tokens` counts the tokens whose KV the slot holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from worker.engine import Request
from worker.engine.attention.step_shape import PADDING_SLOT, StepShape
from worker.engine.core.ngram_proposer import NgramProposer


@dataclass(slots=True, eq=False)
class RequestState:
    """
    A waiting or running request. `token_ids` holds the prompt and the reply so far.

    `arrival` orders requests by age. `is_suspect` marks a member of a failed step. `gpu_seconds`
    sums the request's shares of the steps so far.
    """

    request: Request
    token_ids: list[int]
    arrival: int
    slot: int = -1
    num_computed_tokens: int = 0
    failed_steps: int = 0
    is_suspect: bool = False
    gpu_seconds: float = 0.0
    proposer: NgramProposer | None = field(init=False)

    def __post_init__(self) -> None:
        self.proposer = NgramProposer(self.token_ids)

    @property
    def num_new_tokens(self) -> int:
        """Length of the reply."""
        return len(self.token_ids) - len(self.request.prompt)

    @property
    def num_uncomputed_tokens(self) -> int:
        """Number of tokens to compute before the next one can be sampled."""
        return len(self.token_ids) - self.num_computed_tokens


@dataclass(frozen=True, slots=True)
class ScheduledRequest:
    """
    One request's share of a step: `num_tokens` tokens from position `start`.

    `draft_ids` are speculative tokens that follow them; they aren't part of the request yet.
    """

    state: RequestState
    start: int
    num_tokens: int
    draft_ids: tuple[int, ...] = ()

    @property
    def token_ids(self) -> list[int]:
        """Token ids to feed, drafts included."""
        return [*self.state.token_ids[self.start : self.start + self.num_tokens], *self.draft_ids]

    @property
    def num_fed_tokens(self) -> int:
        """Number of tokens to feed, drafts included; at least 1."""
        return self.num_tokens + len(self.draft_ids)

    @property
    def can_sample(self) -> bool:
        """Whether the step computes the request's last token, so that the next can be sampled."""
        return self.start + self.num_tokens == len(self.state.token_ids)

    @property
    def num_logits(self) -> int:
        """Number of logits rows that the request needs: one, and one for each draft token."""
        return 1 + len(self.draft_ids) if self.can_sample else 0

    def accepts_draft(self, sampled: Sequence[int]) -> bool:
        """Whether the last sampled token equals its draft, so that the next row is valid."""
        index = len(sampled) - 1
        return self.draft_ids[index : index + 1] == (sampled[-1],) and not self.is_stop_token(
            sampled[-1]
        )

    def is_stop_token(self, token: int) -> bool:
        """Whether a token ends the reply. A stop token isn't part of the reply."""
        return token in self.state.request.stop_ids


def share_step_time(step: Sequence[ScheduledRequest], seconds: float) -> None:
    """
    Add a step's duration to its requests, in proportion to the tokens that each fed, drafts too.

    The shares of all requests sum up to the time in which the device worked for any of them.
    """
    num_tokens = sum(scheduled.num_fed_tokens for scheduled in step)
    for scheduled in step:
        scheduled.state.gpu_seconds += seconds * scheduled.num_fed_tokens / num_tokens


def measure_step(step: Sequence[ScheduledRequest]) -> StepShape:
    """Return the shape of a step without padding."""
    lengths = [scheduled.num_fed_tokens for scheduled in step]
    return StepShape(
        num_tokens=sum(lengths),
        num_sequences=len(step),
        num_logits=sum(scheduled.num_logits for scheduled in step),
        max_query_length=max(lengths),
        kv_length=max(
            scheduled.start + length for scheduled, length in zip(step, lengths, strict=True)
        ),
    )


def list_step_numbers(shape: StepShape, step: Sequence[ScheduledRequest]) -> list[int]:
    """
    Return the numbers of `StepTensors` for a step in a shape that fits it.

    Spare tokens are padding. The sequences behind the step's own take them, as many as a sequence
    may have, and attend to the first position of slot 0.
    """
    token_ids: list[int] = []
    positions: list[int] = []
    slots: list[int] = []
    logit_rows: list[int] = []
    query_starts, sequence_slots, kv_lengths = [0], [], []
    for scheduled in step:
        fed, slot = scheduled.token_ids, scheduled.state.slot
        end = scheduled.start + len(fed)
        token_ids += fed
        positions += range(scheduled.start, end)
        slots += [slot] * len(fed)
        logit_rows += range(len(token_ids) - scheduled.num_logits, len(token_ids))
        query_starts.append(len(token_ids))
        sequence_slots.append(slot)
        kv_lengths.append(end)
    for _ in range(shape.num_sequences - len(step)):
        query_starts.append(min(query_starts[-1] + shape.max_query_length, shape.num_tokens))
        sequence_slots.append(0)
        kv_lengths.append(1)
    sequence_slots.append(0)
    num_padding = shape.num_tokens - len(token_ids)
    token_ids += [0] * num_padding
    positions += [0] * num_padding
    slots += [PADDING_SLOT] * num_padding
    logit_rows += [0] * (shape.num_logits - len(logit_rows))
    return [
        *token_ids,
        *positions,
        *slots,
        *logit_rows,
        *query_starts,
        *sequence_slots,
        *kv_lengths,
    ]
