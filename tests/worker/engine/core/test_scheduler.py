"""Scheduler: slots of requests and tokens of each step, without a model."""

from hypothesis import given
from hypothesis import strategies as st

from worker.engine import FinishReason, Request, SamplingParams
from worker.engine.core.request_state import RequestState, ScheduledRequest
from worker.engine.core.scheduler import MAX_FAILED_STEPS, Scheduler


def make_request(
    name: str, length: int = 3, new: int = 5, *, priority: int = 0, stop: tuple[int, ...] = ()
) -> Request:
    """Make a request with a prompt of some length."""
    sampling = SamplingParams(max_new_tokens=new)
    return Request(name, tuple(range(length)), sampling, stop, priority=priority)


def run_step(schedule: Scheduler, token: int = 1) -> list[ScheduledRequest]:
    """Take one step in which every request that may choose chooses `token`."""
    schedule.admit_waiting()
    step = schedule.schedule_step()
    for work in step:
        chosen = [token] if work.can_sample else []
        while chosen and work.accepts_draft(chosen):
            chosen.append(token)
        if schedule.commit_tokens(work, chosen):
            schedule.remove_request(work.state.request.id)
    return step


def count_positions(work: ScheduledRequest) -> int:
    """Return how many positions a request needs at most."""
    return len(work.state.request.prompt) + work.state.request.sampling.max_new_tokens


def request_ids(step: list[ScheduledRequest]) -> list[str]:
    """Return who takes part in a step, in order."""
    return [work.state.request.id for work in step]


def test_slots_go_to_the_more_urgent_and_then_to_the_older() -> None:
    """Of four that wait for two slots, the urgent one and the oldest of the rest go in."""
    schedule = Scheduler(num_slots=2, max_step_tokens=100)
    for name, priority in (("a", 0), ("b", 0), ("c", 5), ("d", 0)):
        schedule.add_request(make_request(name, priority=priority))

    schedule.admit_waiting()

    assert set(schedule.running) == {"c", "a"}


def test_the_lowest_free_slot_is_taken_first() -> None:
    """A step covers the slots up to the highest in use, so low ones are used again first."""
    schedule = Scheduler(num_slots=3, max_step_tokens=100)
    for name in "abc":
        schedule.add_request(make_request(name))
    schedule.admit_waiting()
    schedule.remove_request("c")
    schedule.remove_request("a")
    schedule.add_request(make_request("d"))

    schedule.admit_waiting()

    assert schedule.running["d"].slot == 0


def test_a_reply_that_grows_goes_before_a_prompt_that_is_read() -> None:
    """A long prompt takes what the growing replies leave of the step, in chunks."""
    schedule = Scheduler(num_slots=2, max_step_tokens=8)
    schedule.add_request(make_request("grows"))
    run_step(schedule)
    schedule.add_request(make_request("reads", length=20))

    step = run_step(schedule)

    assert [(work.state.request.id, work.start, work.num_tokens) for work in step] == [
        ("grows", 3, 1),
        ("reads", 0, 7),
    ]


def test_what_is_unread_is_shared_out_evenly_over_the_steps_that_it_takes() -> None:
    """100 tokens in steps of 64 are 50 and 50: a small rest would cost nearly as much as a step."""
    schedule = Scheduler(num_slots=2, max_step_tokens=64)
    schedule.add_request(make_request("a", length=30, new=1))
    schedule.add_request(make_request("b", length=70, new=1))

    counts = [[work.num_tokens for work in run_step(schedule)] for _ in range(2)]

    assert counts == [[30, 20], [50]]
    assert not schedule.has_unfinished_requests


def test_a_request_ends_at_a_stop_id_which_is_not_part_of_the_reply() -> None:
    """The stop id frees the request; its tokens are those before."""
    schedule = Scheduler(num_slots=1, max_step_tokens=8)
    schedule.add_request(make_request("a", stop=(9,)))
    schedule.admit_waiting()
    [work] = schedule.schedule_step()

    assert schedule.commit_tokens(work, [9]) is FinishReason.STOP
    assert work.state.num_new_tokens == 0


def test_a_request_ends_at_its_own_limit() -> None:
    """The last token that was asked for is part of the reply."""
    schedule = Scheduler(num_slots=1, max_step_tokens=8)
    schedule.add_request(make_request("a", new=1))
    schedule.admit_waiting()
    [work] = schedule.schedule_step()

    assert schedule.commit_tokens(work, [4]) is FinishReason.LENGTH
    assert work.state.num_new_tokens == 1


def test_a_request_may_leave_while_it_waits() -> None:
    """A waiting request can be removed; the others keep their order."""
    schedule = Scheduler(num_slots=1, max_step_tokens=8)
    for name in "abcd":
        schedule.add_request(make_request(name))
    schedule.admit_waiting()

    assert schedule.remove_request("c") is not None
    assert schedule.remove_request("c") is None
    schedule.remove_request("a")
    schedule.admit_waiting()
    assert list(schedule.running) == ["b"]
    assert [entry[2].request.id for entry in schedule.waiting] == ["d"]


def test_after_a_failed_step_its_members_go_alone_until_each_has_gone_through() -> None:
    """Two suspects prefill again one at a time; another request waits; none fails."""
    schedule = Scheduler(num_slots=3, max_step_tokens=8)
    schedule.add_request(make_request("a"))
    schedule.add_request(make_request("b"))
    schedule.admit_waiting()
    schedule.add_request(make_request("bystander"))

    assert schedule.record_failure(schedule.schedule_step()) == []

    assert request_ids(run_step(schedule)) == ["a"]
    assert request_ids(run_step(schedule)) == ["b"]
    assert request_ids(run_step(schedule)) == ["a", "b", "bystander"]


def test_who_breaks_a_step_alone_is_given_up() -> None:
    """The second failed step has the guilty one only, so it alone fails."""
    schedule = Scheduler(num_slots=2, max_step_tokens=8)
    schedule.add_request(make_request("guilty"))
    schedule.add_request(make_request("other"))
    schedule.admit_waiting()
    schedule.record_failure(schedule.schedule_step())

    [given_up] = schedule.record_failure(schedule.schedule_step())

    assert given_up.request.id == "guilty"


def test_what_fails_only_together_does_not_fail_for_ever() -> None:
    """Requests that break every step they share are given up after a few."""
    schedule = Scheduler(num_slots=2, max_step_tokens=8)
    schedule.add_request(make_request("a", new=100))
    schedule.add_request(make_request("b", new=100))
    schedule.admit_waiting()
    given_up: list[RequestState] = []
    failures = 0
    while not given_up:
        step = schedule.schedule_step()
        if len(step) == 2:
            failures += 1
            given_up = schedule.record_failure(step)
        else:
            run_step(schedule)

    assert failures == MAX_FAILED_STEPS
    assert len(given_up) == 2


def test_what_a_lost_slot_held_is_read_again() -> None:
    """After a failed step a request prefills its prompt and reply again, then continues."""
    schedule = Scheduler(num_slots=1, max_step_tokens=100)
    schedule.add_request(make_request("a"))
    run_step(schedule)
    run_step(schedule)
    schedule.record_failure(schedule.schedule_step())

    [work] = run_step(schedule)

    assert (work.start, work.num_tokens, work.token_ids) == (0, 5, [0, 1, 2, 1, 1])


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 6), st.integers(0, 2)), max_size=12),
    st.integers(1, 4),
    st.integers(1, 12),
    st.integers(0, 3),
)
def test_every_request_gets_all_its_tokens_once_and_in_order(
    wanted: list[tuple[int, int, int]], slots: int, budget: int, drafted: int
) -> None:
    """In every mix, each position is computed exactly once and no step exceeds its budget."""
    schedule = Scheduler(
        num_slots=slots, max_step_tokens=budget, num_speculative_tokens=drafted, ridge_tokens=1e6
    )
    for number, (length, new, priority) in enumerate(wanted):
        schedule.add_request(make_request(str(number), length, new, priority=priority))
    fed: dict[str, list[int]] = {str(number): [] for number in range(len(wanted))}
    while schedule.has_unfinished_requests:
        step = run_step(schedule)
        assert sum(len(work.token_ids) for work in step) <= max(budget, slots)
        assert len({work.state.slot for work in step}) == len(step)
        for work in step:
            assert work.start + len(work.token_ids) <= count_positions(work)
            fed[work.state.request.id] += range(work.start, work.state.num_computed_tokens)

    for number, (length, new, _) in enumerate(wanted):
        assert fed[str(number)] == list(range(length + new - 1))
