"""What is drafted and how much of it, without a model."""

from collections.abc import Callable
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testing.in_process_engine import GREEDY_SAMPLING
from worker.engine import FinishReason, Request, Sampling
from worker.engine.core.ngram_proposer import Drafter, worthwhile
from worker.engine.core.scheduler import Schedule
from worker.engine.loading.loader import Loaded

Models = Callable[[str], Loaded]

MOST = 8

PROMPT = [1, 2, 3, 4, 5, 6, 7, 8, 9]


def drafter(prompt: list[int], reply: list[int]) -> Drafter:
    """Return a drafter that has learned all of a reply."""
    found = Drafter([*prompt])
    found.tokens += reply
    found.learn()
    return found


def test_what_came_after_the_last_three_tokens_before_is_drafted() -> None:
    """As far as it goes, and as much as is asked for."""
    assert drafter(PROMPT, [3, 4, 5]).draft(2) == [6, 7]
    assert drafter(PROMPT, [3, 4, 5]).draft(0) == []


def test_a_draft_goes_on_where_its_source_ends() -> None:
    """What goes round goes round in the draft too."""
    assert drafter([], [1, 2, 3, 1, 2, 3]).draft(7) == [1, 2, 3, 1, 2, 3, 1]


@pytest.mark.parametrize("reply", [[], [4, 5], [3, 4, 6], [20, 30, 40]])
def test_without_three_tokens_in_common_nothing_is_drafted(reply: list[int]) -> None:
    """Two equal tokens mean little."""
    assert drafter(PROMPT, reply).draft(4) == []


def test_the_longer_run_in_common_decides_and_then_the_later() -> None:
    """Of two places with the same last three tokens the one with five, else the newest."""
    before = [8, 9, 1, 2, 3, 50, 1, 2, 3, 60]

    assert drafter(before, [8, 9, 1, 2, 3]).draft(1) == [50]
    assert drafter(before, [1, 2, 3]).draft(1) == [60]


def test_trust_follows_the_reply_and_not_the_prompt() -> None:
    """Copying raises it, going elsewhere at the same place lowers it, new words leave it alone."""
    start = Drafter([]).trust

    assert drafter([*PROMPT, *PROMPT], []).trust == start
    assert drafter(PROMPT, [70, 71, 72, 73, 74]).trust == start
    assert drafter(PROMPT, PROMPT[:4]).trust > start
    assert drafter(PROMPT, [*PROMPT[:3], 70]).trust < start


@given(
    st.lists(st.integers(0, 3), max_size=30),
    st.lists(st.lists(st.integers(0, 3), max_size=6), max_size=6),
)
def test_what_is_learned_bit_by_bit_is_what_is_learned_at_once(
    prompt: list[int], parts: list[list[int]]
) -> None:
    """The index is kept, never built anew, and a draft changes nothing in it."""
    slowly = Drafter([*prompt])
    for part in parts:
        slowly.tokens += part
        slowly.learn()
        slowly.draft(3)
    slowly.learn()
    at_once = drafter(prompt, [*chain(*parts)])

    assert slowly.draft(9) == at_once.draft(9)
    assert slowly.trust == at_once.trust


@given(st.floats(0, 1), st.integers(1, 600), st.floats(0, 300), st.integers(0, 16))
def test_more_company_never_lengthens_a_draft_and_more_trust_never_shortens_it(
    trust: float, rows: int, ridge: float, most: int
) -> None:
    """The length stays in its bounds and follows what speaks for it."""
    length = worthwhile(trust, rows, ridge, most)

    assert 0 <= length <= most
    assert worthwhile(trust, rows + 1, ridge, most) <= length
    assert worthwhile(min(1.0, trust * 1.1), rows, ridge, most) >= length


def test_drafts_are_long_alone_and_none_beside_a_prompt_that_is_read() -> None:
    """On a CPU, with 1, 4 and 8 that grow, then 64 and beside a chunk of a prompt."""
    rows = (1, 4, 8, 64, 129)

    assert [worthwhile(0.9, count, 10, MOST) for count in rows] == [7, 6, 5, 1, 0]
    assert [worthwhile(0.7, count, 10, MOST) for count in rows] == [3, 2, 2, 0, 0]
    assert [worthwhile(0.05, count, 10, MOST) for count in rows] == [0, 0, 0, 0, 0]


def test_a_draft_that_only_makes_up_for_the_cheap_step_of_one_row_is_left() -> None:
    """Alone on a CPU a little trust is too little; beside another request it does."""
    trusts = (0.9, 0.6, 0.5, 0.4)

    assert [worthwhile(trust, 1, 10, MOST, 0.7) for trust in trusts] == [7, 2, 2, 0]
    assert [worthwhile(trust, 2, 10, MOST, 0.7) for trust in trusts] == [7, 2, 2, 1]
    assert [worthwhile(trust, 1, 10, MOST) for trust in trusts] == [7, 2, 2, 1]


def scheduled(new: int = 30, budget: int = 20, stop: tuple[int, ...] = ()) -> Schedule:
    """Return a schedule with one request that is about to repeat itself."""
    schedule = Schedule(slots=2, budget=budget, drafted=MOST, ridge=1e6)
    schedule.add(Request("a", (*PROMPT, 1, 2), Sampling(new), stop))
    schedule.admit()
    [work] = schedule.plan()
    schedule.advance(work, [3])
    return schedule


def test_a_growing_request_is_fed_its_token_and_the_draft() -> None:
    """One token of its own, then what came after it the last time."""
    [work] = scheduled().plan()

    assert (work.start, work.count, work.ids) == (11, 1, [3, 4, 5, 6, 7, 8, 9, 1, 2])
    assert (work.complete, work.choices) == (True, 9)


@pytest.mark.parametrize(("new", "length"), [(2, 0), (3, 1), (5, 3)])
def test_nothing_is_drafted_beyond_a_requests_limit(new: int, length: int) -> None:
    """So no position beyond prompt plus limit is ever fed, which is all that a slot has."""
    [work] = scheduled(new).plan()

    assert len(work.drafted) == length


def test_the_budget_of_a_step_holds_for_drafts_too() -> None:
    """Growing and read tokens go first; 20 are read in two steps of ten."""
    [work] = scheduled(budget=12).plan()
    assert len(work.drafted) == MOST
    schedule = scheduled(budget=12)
    schedule.add(Request("b", (50,) * 20, GREEDY_SAMPLING))
    schedule.admit()

    step = schedule.plan()

    assert [(work.count, len(work.drafted)) for work in step] == [(1, 1), (10, 0)]


def test_two_that_draft_share_what_is_left_of_a_step() -> None:
    """The second one gets what the first one's draft leaves."""
    schedule = Schedule(slots=2, budget=30, drafted=MOST, ridge=1e6)
    for name in "ab":
        schedule.add(Request(name, (*PROMPT, 1, 2), Sampling(30)))
    schedule.admit()
    for work in schedule.plan():
        schedule.advance(work, [3])
    schedule.budget = 11

    assert sorted(len(work.drafted) for work in schedule.plan()) == [1, MOST]


@pytest.mark.parametrize(
    ("stop", "chosen"),
    [((), [9]), ((), [4, 9]), ((4,), [4]), ((), [4, 5, 6, 7, 8, 9, 1, 2, 4])],
    ids=["another", "another later", "an end", "all rows are used"],
)
def test_choosing_goes_on_while_the_drafted_token_was_chosen(
    stop: tuple[int, ...], chosen: list[int]
) -> None:
    """Up to the first other one, and never past the end of the reply or of the draft."""
    [work] = scheduled(stop=stop).plan()

    leads = [work.leads_on(chosen[: count + 1]) for count in range(len(chosen))]

    assert leads == [True] * (len(chosen) - 1) + [False]


def test_only_what_was_chosen_is_held() -> None:
    """Of a draft half right the request keeps the right half; the rest is fed again."""
    schedule = scheduled()
    [work] = schedule.plan()

    assert schedule.advance(work, [4, 5, 77]) is None

    live = work.live
    assert live.tokens[11:] == [3, 4, 5, 77]
    assert (live.held, live.pending) == (14, 1)


def test_a_stop_id_in_a_draft_ends_the_reply_there() -> None:
    """It is no token of the reply, and what is parked is what was fed."""
    schedule = scheduled(stop=(6,))
    [work] = schedule.plan()

    assert schedule.advance(work, [4, 5, 6]) is FinishReason.STOP
    assert work.live.tokens[11:] == [3, 4, 5]
    assert work.live.held == len(work.live.tokens)
