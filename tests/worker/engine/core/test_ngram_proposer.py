"""N-gram proposer: the tokens and the length of drafts, without a model."""

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
    """Return a drafter that has learned all of a reply."""
    found = NgramProposer([*prompt])
    found.token_ids += reply
    found.update_index()
    return found


def test_what_came_after_the_last_three_tokens_before_is_drafted() -> None:
    """As far as it goes, and as much as is asked for."""
    assert make_proposer(PROMPT, [3, 4, 5]).propose_tokens(2) == [6, 7]
    assert make_proposer(PROMPT, [3, 4, 5]).propose_tokens(0) == []


def test_a_draft_goes_on_where_its_source_ends() -> None:
    """What goes round goes round in the draft too."""
    assert make_proposer([], [1, 2, 3, 1, 2, 3]).propose_tokens(7) == [1, 2, 3, 1, 2, 3, 1]


@pytest.mark.parametrize("reply", [[], [4, 5], [3, 4, 6], [20, 30, 40]])
def test_without_three_tokens_in_common_nothing_is_drafted(reply: list[int]) -> None:
    """Two equal tokens mean little."""
    assert make_proposer(PROMPT, reply).propose_tokens(4) == []


def test_the_longer_run_in_common_decides_and_then_the_later() -> None:
    """Of two places with the same last three tokens the one with five, else the newest."""
    before = [8, 9, 1, 2, 3, 50, 1, 2, 3, 60]

    assert make_proposer(before, [8, 9, 1, 2, 3]).propose_tokens(1) == [50]
    assert make_proposer(before, [1, 2, 3]).propose_tokens(1) == [60]


def test_trust_follows_the_reply_and_not_the_prompt() -> None:
    """Copying raises it, going elsewhere at the same place lowers it, new words leave it alone."""
    start = NgramProposer([]).acceptance_rate

    assert make_proposer([*PROMPT, *PROMPT], []).acceptance_rate == start
    assert make_proposer(PROMPT, [70, 71, 72, 73, 74]).acceptance_rate == start
    assert make_proposer(PROMPT, PROMPT[:4]).acceptance_rate > start
    assert make_proposer(PROMPT, [*PROMPT[:3], 70]).acceptance_rate < start


@given(
    st.lists(st.integers(0, 3), max_size=30),
    st.lists(st.lists(st.integers(0, 3), max_size=6), max_size=6),
)
def test_what_is_learned_bit_by_bit_is_what_is_learned_at_once(
    prompt: list[int], parts: list[list[int]]
) -> None:
    """The index is extended and never rebuilt, and a draft does not change it."""
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
def test_more_company_never_lengthens_a_draft_and_more_trust_never_shortens_it(
    trust: float, rows: int, ridge: float, most: int
) -> None:
    """The length stays in its bounds and follows what speaks for it."""
    length = choose_draft_length(trust, rows, ridge, most)

    assert 0 <= length <= most
    assert choose_draft_length(trust, rows + 1, ridge, most) <= length
    assert choose_draft_length(min(1.0, trust * 1.1), rows, ridge, most) >= length


def test_drafts_are_long_alone_and_none_beside_a_prompt_that_is_read() -> None:
    """On a CPU, with 1, 4 and 8 that grow, then 64 and beside a chunk of a prompt."""
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


def test_a_draft_that_only_makes_up_for_the_cheap_step_of_one_row_is_left() -> None:
    """Alone on a CPU a little trust is too little; beside another request it does."""
    trusts = (0.9, 0.6, 0.5, 0.4)

    assert [choose_draft_length(trust, 1, 10, NUM_SPECULATIVE_TOKENS, 0.7) for trust in trusts] == [
        7,
        2,
        2,
        0,
    ]
    assert [choose_draft_length(trust, 2, 10, NUM_SPECULATIVE_TOKENS, 0.7) for trust in trusts] == [
        7,
        2,
        2,
        1,
    ]
    assert [choose_draft_length(trust, 1, 10, NUM_SPECULATIVE_TOKENS) for trust in trusts] == [
        7,
        2,
        2,
        1,
    ]


def make_scheduler(new: int = 30, budget: int = 20, stop: tuple[int, ...] = ()) -> Scheduler:
    """Return a schedule with one request that is about to repeat itself."""
    schedule = Scheduler(
        num_slots=2,
        max_step_tokens=budget,
        num_speculative_tokens=NUM_SPECULATIVE_TOKENS,
        ridge_tokens=1e6,
    )
    schedule.add_request(Request("a", (*PROMPT, 1, 2), SamplingParams(new), stop))
    schedule.admit_waiting()
    [work] = schedule.schedule_step()
    schedule.commit_tokens(work, [3])
    return schedule


def test_a_growing_request_is_fed_its_token_and_the_draft() -> None:
    """One sampled token, then the tokens that followed it the last time."""
    [work] = make_scheduler().schedule_step()

    assert (work.start, work.num_tokens, work.token_ids) == (11, 1, [3, 4, 5, 6, 7, 8, 9, 1, 2])
    assert (work.can_sample, work.num_logits) == (True, 9)


@pytest.mark.parametrize(("new", "length"), [(2, 0), (3, 1), (5, 3)])
def test_nothing_is_drafted_beyond_a_requests_limit(new: int, length: int) -> None:
    """So no position beyond prompt plus limit is ever fed, which is all that a slot has."""
    [work] = make_scheduler(new).schedule_step()

    assert len(work.draft_ids) == length


def test_the_budget_of_a_step_holds_for_drafts_too() -> None:
    """Growing and read tokens go first; 20 are read in two steps of ten."""
    [work] = make_scheduler(budget=12).schedule_step()
    assert len(work.draft_ids) == NUM_SPECULATIVE_TOKENS
    schedule = make_scheduler(budget=12)
    schedule.add_request(Request("b", (50,) * 20, GREEDY_SAMPLING))
    schedule.admit_waiting()

    step = schedule.schedule_step()

    assert [(work.num_tokens, len(work.draft_ids)) for work in step] == [(1, 1), (10, 0)]


def test_two_that_draft_share_what_is_left_of_a_step() -> None:
    """The second one gets what the first one's draft leaves."""
    schedule = Scheduler(
        num_slots=2,
        max_step_tokens=30,
        num_speculative_tokens=NUM_SPECULATIVE_TOKENS,
        ridge_tokens=1e6,
    )
    for name in "ab":
        schedule.add_request(Request(name, (*PROMPT, 1, 2), SamplingParams(30)))
    schedule.admit_waiting()
    for work in schedule.schedule_step():
        schedule.commit_tokens(work, [3])
    schedule.max_step_tokens = 11

    assert sorted(len(work.draft_ids) for work in schedule.schedule_step()) == [
        1,
        NUM_SPECULATIVE_TOKENS,
    ]


@pytest.mark.parametrize(
    ("stop", "chosen"),
    [((), [9]), ((), [4, 9]), ((4,), [4]), ((), [4, 5, 6, 7, 8, 9, 1, 2, 4])],
    ids=["another", "another later", "an end", "all rows are used"],
)
def test_choosing_goes_on_while_the_drafted_token_was_chosen(
    stop: tuple[int, ...], chosen: list[int]
) -> None:
    """Up to the first other one, and never past the end of the reply or of the draft."""
    [work] = make_scheduler(stop=stop).schedule_step()

    leads = [work.accepts_draft(chosen[: count + 1]) for count in range(len(chosen))]

    assert leads == [True] * (len(chosen) - 1) + [False]


def test_only_what_was_chosen_is_held() -> None:
    """Of a draft half right the request keeps the right half; the rest is fed again."""
    schedule = make_scheduler()
    [work] = schedule.schedule_step()

    assert schedule.commit_tokens(work, [4, 5, 77]) is None

    live = work.state
    assert live.token_ids[11:] == [3, 4, 5, 77]
    assert (live.num_computed_tokens, live.num_uncomputed_tokens) == (14, 1)


def test_a_stop_id_in_a_draft_ends_the_reply_there() -> None:
    """It is no token of the reply, and what is parked is what was fed."""
    schedule = make_scheduler(stop=(6,))
    [work] = schedule.schedule_step()

    assert schedule.commit_tokens(work, [4, 5, 6]) is FinishReason.STOP
    assert work.state.token_ids[11:] == [3, 4, 5]
    assert work.state.num_computed_tokens == len(work.state.token_ids)
