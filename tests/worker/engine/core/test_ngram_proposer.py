"""N-gram proposer: draft tokens and draft lengths, without a model."""

from collections.abc import Callable
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testing.in_process_engine import GREEDY_SAMPLING
from worker.engine import FinishReason, Request, SamplingParams
from worker.engine.core.ngram_proposer import NgramProposer, choose_draft_length
from worker.engine.core.scheduler import Scheduler
from worker.engine.loading.loader import LoadedModel

Models = Callable[[str], LoadedModel]

NUM_SPECULATIVE_TOKENS = 8

PROMPT = [1, 2, 3, 4, 5, 6, 7, 8, 9]


def make_proposer(prompt: list[int], reply: list[int]) -> NgramProposer:
    """Return a proposer that has indexed a prompt and a reply."""
    found = NgramProposer([*prompt])
    found.token_ids += reply
    found.update_index()
    return found


def test_draft_follows_the_last_match_of_three_tokens() -> None:
    """The draft has the requested length."""
    assert make_proposer(PROMPT, [3, 4, 5]).propose_tokens(2) == [6, 7]
    assert make_proposer(PROMPT, [3, 4, 5]).propose_tokens(0) == []


def test_draft_of_a_loop_continues_the_loop() -> None:
    """A source that reaches the end of the text continues in the draft itself."""
    assert make_proposer([], [1, 2, 3, 1, 2, 3]).propose_tokens(7) == [1, 2, 3, 1, 2, 3, 1]


@pytest.mark.parametrize("reply", [[], [4, 5], [3, 4, 6], [20, 30, 40]])
def test_match_of_two_tokens_gives_no_draft(reply: list[int]) -> None:
    """The shortest n-gram has three tokens."""
    assert make_proposer(PROMPT, reply).propose_tokens(4) == []


def test_longest_match_wins_then_the_latest() -> None:
    """Five matching tokens beat three; of two equal matches the later one counts."""
    before = [8, 9, 1, 2, 3, 50, 1, 2, 3, 60]

    assert make_proposer(before, [8, 9, 1, 2, 3]).propose_tokens(1) == [50]
    assert make_proposer(before, [1, 2, 3]).propose_tokens(1) == [60]


def test_acceptance_rate_follows_the_reply_only() -> None:
    """A copied token raises it, a deviation lowers it, and a token without a match keeps it."""
    start = NgramProposer([]).acceptance_rate

    assert make_proposer([*PROMPT, *PROMPT], []).acceptance_rate == start
    assert make_proposer(PROMPT, [70, 71, 72, 73, 74]).acceptance_rate == start
    assert make_proposer(PROMPT, PROMPT[:4]).acceptance_rate > start
    assert make_proposer(PROMPT, [*PROMPT[:3], 70]).acceptance_rate < start


@given(
    st.lists(st.integers(0, 3), max_size=30),
    st.lists(st.lists(st.integers(0, 3), max_size=6), max_size=6),
)
def test_incremental_index_equals_one_built_at_once(
    prompt: list[int], parts: list[list[int]]
) -> None:
    """The index is extended and never rebuilt, and a draft doesn't change it."""
    slowly = NgramProposer([*prompt])
    for part in parts:
        slowly.token_ids += part
        slowly.update_index()
        slowly.propose_tokens(3)
    slowly.update_index()
    at_once = make_proposer(prompt, [*chain(*parts)])

    assert slowly.propose_tokens(9) == at_once.propose_tokens(9)
    assert slowly.acceptance_rate == at_once.acceptance_rate


@given(st.floats(0, 1), st.integers(1, 600), st.floats(0, 300), st.integers(0, 16))
def test_draft_length_falls_with_rows_and_rises_with_acceptance(
    trust: float, rows: int, ridge: float, most: int
) -> None:
    """The length stays within its bounds."""
    length = choose_draft_length(trust, rows, ridge, most)

    assert 0 <= length <= most
    assert choose_draft_length(trust, rows + 1, ridge, most) <= length
    assert choose_draft_length(min(1.0, trust * 1.1), rows, ridge, most) >= length


def test_draft_length_is_zero_beside_a_prefill() -> None:
    """On a CPU: 1, 4, 8 and 64 decodes, then a prefill chunk beside one."""
    rows = (1, 4, 8, 64, 129)

    assert [choose_draft_length(0.9, count, 10, NUM_SPECULATIVE_TOKENS) for count in rows] == [
        7,
        6,
        5,
        1,
        0,
    ]
    assert [choose_draft_length(0.7, count, 10, NUM_SPECULATIVE_TOKENS) for count in rows] == [
        3,
        2,
        2,
        0,
        0,
    ]
    assert [choose_draft_length(0.05, count, 10, NUM_SPECULATIVE_TOKENS) for count in rows] == [
        0,
        0,
        0,
        0,
        0,
    ]


def make_scheduler(
    new: int = 30, max_step_tokens: int = 20, stop: tuple[int, ...] = ()
) -> Scheduler:
    """Return a scheduler with one request whose reply is about to repeat its prompt."""
    schedule = Scheduler(
        num_slots=2,
        max_step_tokens=max_step_tokens,
        num_speculative_tokens=NUM_SPECULATIVE_TOKENS,
        ridge_tokens=1e6,
    )
    schedule.add_request(Request("a", (*PROMPT, 1, 2), SamplingParams(new), stop))
    schedule.admit_waiting()
    [scheduled] = schedule.schedule_step()
    schedule.commit_tokens(scheduled, [3])
    return schedule


def test_decode_carries_its_token_and_the_draft() -> None:
    """One sampled token, then the tokens that followed it the last time."""
    [scheduled] = make_scheduler().schedule_step()

    assert (scheduled.start, scheduled.num_tokens, scheduled.token_ids) == (
        11,
        1,
        [3, 4, 5, 6, 7, 8, 9, 1, 2],
    )
    assert (scheduled.can_sample, scheduled.num_logits) == (True, 9)


@pytest.mark.parametrize(("new", "length"), [(2, 0), (3, 1), (5, 3)])
def test_draft_stays_below_max_new_tokens(new: int, length: int) -> None:
    """A slot has no position beyond prompt plus limit."""
    [scheduled] = make_scheduler(new).schedule_step()

    assert len(scheduled.draft_ids) == length


def test_drafts_stay_within_max_step_tokens() -> None:
    """Decodes and prefill chunks come first; 20 prompt tokens take two steps of ten."""
    [scheduled] = make_scheduler(max_step_tokens=12).schedule_step()
    assert len(scheduled.draft_ids) == NUM_SPECULATIVE_TOKENS
    schedule = make_scheduler(max_step_tokens=12)
    schedule.add_request(Request("b", (50,) * 20, GREEDY_SAMPLING))
    schedule.admit_waiting()

    step = schedule.schedule_step()

    assert [(scheduled.num_tokens, len(scheduled.draft_ids)) for scheduled in step] == [
        (1, 1),
        (10, 0),
    ]


def test_second_draft_gets_the_remaining_step_tokens() -> None:
    """The first draft takes its full length."""
    schedule = Scheduler(
        num_slots=2,
        max_step_tokens=30,
        num_speculative_tokens=NUM_SPECULATIVE_TOKENS,
        ridge_tokens=1e6,
    )
    for name in "ab":
        schedule.add_request(Request(name, (*PROMPT, 1, 2), SamplingParams(30)))
    schedule.admit_waiting()
    for scheduled in schedule.schedule_step():
        schedule.commit_tokens(scheduled, [3])
    schedule.max_step_tokens = 11

    assert sorted(len(scheduled.draft_ids) for scheduled in schedule.schedule_step()) == [
        1,
        NUM_SPECULATIVE_TOKENS,
    ]


@pytest.mark.parametrize(
    ("stop", "chosen"),
    [((), [9]), ((), [4, 9]), ((4,), [4]), ((), [4, 5, 6, 7, 8, 9, 1, 2, 4])],
    ids=["another", "another later", "an end", "all rows are used"],
)
def test_sampling_continues_while_drafts_are_accepted(
    stop: tuple[int, ...], chosen: list[int]
) -> None:
    """It ends at the first rejected draft token, a stop token, or the end of the draft."""
    [scheduled] = make_scheduler(stop=stop).schedule_step()

    leads = [scheduled.accepts_draft(chosen[: count + 1]) for count in range(len(chosen))]

    assert leads == [True] * (len(chosen) - 1) + [False]


def test_rejected_draft_tokens_are_not_computed_tokens() -> None:
    """Of a half-accepted draft the request keeps the accepted half."""
    schedule = make_scheduler()
    [scheduled] = schedule.schedule_step()

    assert schedule.commit_tokens(scheduled, [4, 5, 77]) is None

    state = scheduled.state
    assert state.token_ids[11:] == [3, 4, 5, 77]
    assert (state.num_computed_tokens, state.num_uncomputed_tokens) == (14, 1)


def test_stop_token_in_a_draft_ends_the_reply() -> None:
    """The stop token isn't part of the reply, and the cached prefix ends before it."""
    schedule = make_scheduler(stop=(6,))
    [scheduled] = schedule.schedule_step()

    assert schedule.commit_tokens(scheduled, [4, 5, 6]) is FinishReason.STOP
    assert scheduled.state.token_ids[11:] == [3, 4, 5]
    assert scheduled.state.num_computed_tokens == len(scheduled.state.token_ids)
