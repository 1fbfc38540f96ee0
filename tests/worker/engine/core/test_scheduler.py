"""Who gets a slot and what goes into a step: a plan for every moment, without a model."""

from hypothesis import given
from hypothesis import strategies as st

from worker.engine import FinishReason, Request, Sampling
from worker.engine.core.request_state import Live, Work
from worker.engine.core.scheduler import MOST_FAILURES, Schedule


def asking(
    name: str, length: int = 3, new: int = 5, *, priority: int = 0, stop: tuple[int, ...] = ()
) -> Request:
    """Make a request with a prompt of some length."""
    sampling = Sampling(max_new_tokens=new)
    return Request(name, tuple(range(length)), sampling, stop, priority=priority)


def forward(schedule: Schedule, token: int = 1) -> list[Work]:
    """Take one step in which every request that may choose chooses `token`."""
    schedule.admit()
    step = schedule.plan()
    for work in step:
        chosen = [token] if work.complete else []
        while chosen and work.leads_on(chosen):
            chosen.append(token)
        if schedule.advance(work, chosen):
            schedule.remove(work.live.request.id)
    return step


def positions(work: Work) -> int:
    """Return how many positions a request needs at most."""
    return len(work.live.request.prompt) + work.live.request.sampling.max_new_tokens


def names(step: list[Work]) -> list[str]:
    """Return who takes part in a step, in order."""
    return [work.live.request.id for work in step]


def test_slots_go_to_the_more_urgent_and_then_to_the_older() -> None:
    """Of four that wait for two slots, the urgent one and the oldest of the rest go in."""
    schedule = Schedule(slots=2, budget=100)
    for name, priority in (("a", 0), ("b", 0), ("c", 5), ("d", 0)):
        schedule.add(asking(name, priority=priority))

    schedule.admit()

    assert set(schedule.running) == {"c", "a"}


def test_the_lowest_free_slot_is_taken_first() -> None:
    """A step covers the slots up to the highest in use, so low ones are used again first."""
    schedule = Schedule(slots=3, budget=100)
    for name in "abc":
        schedule.add(asking(name))
    schedule.admit()
    schedule.remove("c")
    schedule.remove("a")
    schedule.add(asking("d"))

    schedule.admit()

    assert schedule.running["d"].slot == 0


def test_a_reply_that_grows_goes_before_a_prompt_that_is_read() -> None:
    """A long prompt takes what the growing replies leave of the step, in chunks."""
    schedule = Schedule(slots=2, budget=8)
    schedule.add(asking("grows"))
    forward(schedule)
    schedule.add(asking("reads", length=20))

    step = forward(schedule)

    assert [(work.live.request.id, work.start, work.count) for work in step] == [
        ("grows", 3, 1),
        ("reads", 0, 7),
    ]


def test_what_is_unread_is_shared_out_evenly_over_the_steps_that_it_takes() -> None:
    """100 tokens in steps of 64 are 50 and 50: a small rest would cost nearly as much as a step."""
    schedule = Schedule(slots=2, budget=64)
    schedule.add(asking("a", length=30, new=1))
    schedule.add(asking("b", length=70, new=1))

    counts = [[work.count for work in forward(schedule)] for _ in range(2)]

    assert counts == [[30, 20], [50]]
    assert not schedule.busy


def test_a_request_ends_at_a_stop_id_which_is_not_part_of_the_reply() -> None:
    """The stop id frees the request; its tokens are those before."""
    schedule = Schedule(slots=1, budget=8)
    schedule.add(asking("a", stop=(9,)))
    schedule.admit()
    [work] = schedule.plan()

    assert schedule.advance(work, [9]) is FinishReason.STOP
    assert work.live.new == 0


def test_a_request_ends_at_its_own_limit() -> None:
    """The last token that was asked for is part of the reply."""
    schedule = Schedule(slots=1, budget=8)
    schedule.add(asking("a", new=1))
    schedule.admit()
    [work] = schedule.plan()

    assert schedule.advance(work, [4]) is FinishReason.LENGTH
    assert work.live.new == 1


def test_a_request_may_leave_while_it_waits() -> None:
    """Whoever waits can be taken out; the others keep their order."""
    schedule = Schedule(slots=1, budget=8)
    for name in "abcd":
        schedule.add(asking(name))
    schedule.admit()

    assert schedule.remove("c") is not None
    assert schedule.remove("c") is None
    schedule.remove("a")
    schedule.admit()
    assert list(schedule.running) == ["b"]
    assert [entry[2].request.id for entry in schedule.waiting] == ["d"]


def test_after_a_failed_step_its_members_go_alone_until_each_has_gone_through() -> None:
    """Two suspects are read again one at a time; a bystander waits; nobody is given up."""
    schedule = Schedule(slots=3, budget=8)
    schedule.add(asking("a"))
    schedule.add(asking("b"))
    schedule.admit()
    schedule.add(asking("bystander"))

    assert schedule.fail(schedule.plan()) == []

    assert names(forward(schedule)) == ["a"]
    assert names(forward(schedule)) == ["b"]
    assert names(forward(schedule)) == ["a", "b", "bystander"]


def test_who_breaks_a_step_alone_is_given_up() -> None:
    """The second failed step has the guilty one only, so it alone fails."""
    schedule = Schedule(slots=2, budget=8)
    schedule.add(asking("guilty"))
    schedule.add(asking("other"))
    schedule.admit()
    schedule.fail(schedule.plan())

    [given_up] = schedule.fail(schedule.plan())

    assert given_up.request.id == "guilty"


def test_what_fails_only_together_does_not_fail_for_ever() -> None:
    """Requests that break every step they share are given up after a few."""
    schedule = Schedule(slots=2, budget=8)
    schedule.add(asking("a", new=100))
    schedule.add(asking("b", new=100))
    schedule.admit()
    given_up: list[Live] = []
    failures = 0
    while not given_up:
        step = schedule.plan()
        if len(step) == 2:
            failures += 1
            given_up = schedule.fail(step)
        else:
            forward(schedule)

    assert failures == MOST_FAILURES
    assert len(given_up) == 2


def test_what_a_lost_slot_held_is_read_again() -> None:
    """After a failed step a request's prompt and reply so far are fed in again, then it goes on."""
    schedule = Schedule(slots=1, budget=100)
    schedule.add(asking("a"))
    forward(schedule)
    forward(schedule)
    schedule.fail(schedule.plan())

    [work] = forward(schedule)

    assert (work.start, work.count, work.ids) == (0, 5, [0, 1, 2, 1, 1])


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 6), st.integers(0, 2)), max_size=12),
    st.integers(1, 4),
    st.integers(1, 12),
    st.integers(0, 3),
)
def test_every_request_gets_all_its_tokens_once_and_in_order(
    wanted: list[tuple[int, int, int]], slots: int, budget: int, drafted: int
) -> None:
    """Whatever the mix, each position is held exactly once and no step exceeds its budget."""
    schedule = Schedule(slots=slots, budget=budget, drafted=drafted, ridge=1e6)
    for number, (length, new, priority) in enumerate(wanted):
        schedule.add(asking(str(number), length, new, priority=priority))
    fed: dict[str, list[int]] = {str(number): [] for number in range(len(wanted))}
    while schedule.busy:
        step = forward(schedule)
        assert sum(len(work.ids) for work in step) <= max(budget, slots)
        assert len({work.live.slot for work in step}) == len(step)
        for work in step:
            assert work.start + len(work.ids) <= positions(work)
            fed[work.live.request.id] += range(work.start, work.live.held)

    for number, (length, new, _) in enumerate(wanted):
        assert fed[str(number)] == list(range(length + new - 1))
