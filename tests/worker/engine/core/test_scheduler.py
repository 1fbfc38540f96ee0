"""Scheduler: slots of requests and tokens of each step, without a model."""

from hypothesis import given
from hypothesis import strategies as st

from worker.engine import FinishReason, Request, SamplingParams
from worker.engine.core.request_state import RequestState, ScheduledRequest
from worker.engine.core.scheduler import MAX_FAILED_STEPS, Scheduler


def make_request(
    name: str, length: int = 3, new: int = 5, *, priority: int = 0, stop: tuple[int, ...] = ()
) -> Request:
    """Return a request with a prompt of `length` tokens."""
    sampling = SamplingParams(max_new_tokens=new)
    return Request(name, tuple(range(length)), sampling, stop, priority=priority)


def run_step(schedule: Scheduler, token: int = 1) -> list[ScheduledRequest]:
    """Run one step in which each request samples `token`."""
    schedule.admit_waiting()
    step = schedule.schedule_step()
    for scheduled in step:
        chosen = [token] if scheduled.can_sample else []
        while chosen and scheduled.accepts_draft(chosen):
            chosen.append(token)
        if schedule.commit_tokens(scheduled, chosen):
            schedule.remove_request(scheduled.state.request.id)
    return step


def count_positions(scheduled: ScheduledRequest) -> int:
    """Return the maximum number of positions of a request."""
    return len(scheduled.state.request.prompt) + scheduled.state.request.sampling.max_new_tokens


def request_ids(step: list[ScheduledRequest]) -> list[str]:
    """Return the request ids of a step, in order."""
    return [scheduled.state.request.id for scheduled in step]


def test_slots_go_by_priority_then_by_age() -> None:
    """Two slots, four requests: the urgent one and the oldest other one run."""
    schedule = Scheduler(num_slots=2, max_step_tokens=100)
    for name, priority in (("a", 0), ("b", 0), ("c", 5), ("d", 0)):
        schedule.add_request(make_request(name, priority=priority))

    schedule.admit_waiting()

    assert set(schedule.running) == {"c", "a"}


def test_lowest_free_slot_is_taken_first() -> None:
    """A step computes all slots up to the highest one in use."""
    schedule = Scheduler(num_slots=3, max_step_tokens=100)
    for name in "abc":
        schedule.add_request(make_request(name))
    schedule.admit_waiting()
    schedule.remove_request("c")
    schedule.remove_request("a")
    schedule.add_request(make_request("d"))

    schedule.admit_waiting()

    assert schedule.running["d"].slot == 0


def test_decodes_come_before_prefill_chunks() -> None:
    """A long prompt is prefilled in chunks of the tokens that decodes leave."""
    schedule = Scheduler(num_slots=2, max_step_tokens=8)
    schedule.add_request(make_request("grows"))
    run_step(schedule)
    schedule.add_request(make_request("reads", length=20))

    step = run_step(schedule)

    assert [
        (scheduled.state.request.id, scheduled.start, scheduled.num_tokens) for scheduled in step
    ] == [
        ("grows", 3, 1),
        ("reads", 0, 7),
    ]


def test_request_without_a_proposer_gets_no_draft() -> None:
    """The engine takes the proposer from a request whose logits were unusable after a draft."""
    schedule = Scheduler(num_slots=1, max_step_tokens=100, num_speculative_tokens=4)
    schedule.add_request(make_request("plain", length=3, new=20))
    run_step(schedule)
    schedule.running["plain"].proposer = None

    assert schedule.schedule_step()[0].draft_ids == ()


def test_prompt_gets_no_small_chunk_beside_another() -> None:
    """After a chunk of 252 tokens, the second prompt waits: one token costs nearly a step."""
    schedule = Scheduler(num_slots=2, max_step_tokens=256)
    for name, length in (("a", 252), ("b", 253)):
        schedule.add_request(make_request(name, length))

    assert [work.num_tokens for work in run_step(schedule)] == [252]
    assert [work.num_tokens for work in run_step(schedule)] == [1, 253]


def test_prefill_is_spread_evenly_over_its_steps() -> None:
    """100 tokens in steps of 64 become 50 and 50: a small chunk costs nearly a full step."""
    schedule = Scheduler(num_slots=2, max_step_tokens=64)
    schedule.add_request(make_request("a", length=30, new=1))
    schedule.add_request(make_request("b", length=70, new=1))

    counts = [[scheduled.num_tokens for scheduled in run_step(schedule)] for _ in range(2)]

    assert counts == [[30, 20], [50]]
    assert not schedule.has_unfinished_requests


def test_stop_token_ends_a_request_and_is_left_out() -> None:
    """The reply holds the tokens before it."""
    schedule = Scheduler(num_slots=1, max_step_tokens=8)
    schedule.add_request(make_request("a", stop=(9,)))
    schedule.admit_waiting()
    [scheduled] = schedule.schedule_step()

    assert schedule.commit_tokens(scheduled, [9]) is FinishReason.STOP
    assert scheduled.state.num_new_tokens == 0


def test_request_ends_at_max_new_tokens() -> None:
    """The last token is part of the reply."""
    schedule = Scheduler(num_slots=1, max_step_tokens=8)
    schedule.add_request(make_request("a", new=1))
    schedule.admit_waiting()
    [scheduled] = schedule.schedule_step()

    assert schedule.commit_tokens(scheduled, [4]) is FinishReason.LENGTH
    assert scheduled.state.num_new_tokens == 1


def test_waiting_request_can_be_removed() -> None:
    """The others keep their order."""
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


def test_suspects_run_alone_after_a_failed_step() -> None:
    """They prefill one at a time; another request waits; none fails."""
    schedule = Scheduler(num_slots=3, max_step_tokens=8)
    schedule.add_request(make_request("a"))
    schedule.add_request(make_request("b"))
    schedule.admit_waiting()
    schedule.add_request(make_request("bystander"))

    assert schedule.record_failure(schedule.schedule_step()) == []

    assert request_ids(run_step(schedule)) == ["a"]
    assert request_ids(run_step(schedule)) == ["b"]
    assert request_ids(run_step(schedule)) == ["a", "b", "bystander"]


def test_request_that_breaks_a_step_alone_fails() -> None:
    """The second failed step held this request only."""
    schedule = Scheduler(num_slots=2, max_step_tokens=8)
    schedule.add_request(make_request("guilty"))
    schedule.add_request(make_request("other"))
    schedule.admit_waiting()
    schedule.record_failure(schedule.schedule_step())

    [given_up] = schedule.record_failure(schedule.schedule_step())

    assert given_up.request.id == "guilty"


def test_requests_that_fail_only_together_fail_eventually() -> None:
    """Requests that break every shared step fail after `MAX_FAILED_STEPS`."""
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


def test_kept_kv_is_not_prefilled_again() -> None:
    """The step runs once more, up to `MAX_FAILED_STEPS` times."""
    schedule = Scheduler(num_slots=1, max_step_tokens=100)
    schedule.add_request(make_request("a"))
    run_step(schedule)
    for _ in range(MAX_FAILED_STEPS - 1):
        step = schedule.schedule_step()
        assert schedule.record_failure(step, keeps_kv=True) == []

    assert [(scheduled.start, scheduled.num_tokens) for scheduled in step] == [(3, 1)]
    assert len(schedule.record_failure(step, keeps_kv=True)) == 1


def test_lost_kv_is_prefilled_again() -> None:
    """After a failed step a request prefills its prompt and reply, then continues."""
    schedule = Scheduler(num_slots=1, max_step_tokens=100)
    schedule.add_request(make_request("a"))
    run_step(schedule)
    run_step(schedule)
    schedule.record_failure(schedule.schedule_step())

    [scheduled] = run_step(schedule)

    assert (scheduled.start, scheduled.num_tokens, scheduled.token_ids) == (0, 5, [0, 1, 2, 1, 1])


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 6), st.integers(0, 2)), max_size=12),
    st.integers(1, 4),
    st.integers(1, 12),
    st.integers(0, 3),
)
def test_each_position_is_computed_exactly_once(
    wanted: list[tuple[int, int, int]],
    slots: int,
    max_step_tokens: int,
    num_speculative_tokens: int,
) -> None:
    """In every mix, in order, and no step exceeds its maximum."""
    schedule = Scheduler(
        num_slots=slots,
        max_step_tokens=max_step_tokens,
        num_speculative_tokens=num_speculative_tokens,
        ridge_tokens=1e6,
    )
    for number, (length, new, priority) in enumerate(wanted):
        schedule.add_request(make_request(str(number), length, new, priority=priority))
    fed: dict[str, list[int]] = {str(number): [] for number in range(len(wanted))}
    while schedule.has_unfinished_requests:
        step = run_step(schedule)
        assert sum(len(scheduled.token_ids) for scheduled in step) <= max(max_step_tokens, slots)
        assert len({scheduled.state.slot for scheduled in step}) == len(step)
        for scheduled in step:
            assert scheduled.start + len(scheduled.token_ids) <= count_positions(scheduled)
            fed[scheduled.state.request.id] += range(
                scheduled.start, scheduled.state.num_computed_tokens
            )

    for number, (length, new, _) in enumerate(wanted):
        assert fed[str(number)] == list(range(length + new - 1))


def test_low_priority_waits_for_the_prefill_of_others() -> None:
    """While there is a prompt of a higher priority to read, no token of a lower one is computed."""
    schedule = Scheduler(num_slots=3, max_step_tokens=8)
    schedule.add_request(make_request("candidate", priority=-1, new=9))
    run_step(schedule)
    schedule.add_request(make_request("reply", new=9))

    steps = [request_ids(run_step(schedule)) for _ in range(2)]

    assert steps == [["reply"], ["reply", "candidate"]]


def test_seeds_of_one_prompt_prefill_it_once() -> None:
    """The second request copies the KV of the first, which still runs."""
    schedule = Scheduler(num_slots=2, max_step_tokens=100)
    prompt = tuple(range(40))
    for seed in range(2):
        sampling = SamplingParams(max_new_tokens=5, seed=seed)
        schedule.add_request(Request(f"r{seed}", prompt, sampling, scope="T1/C1"))
        run_step(schedule)

    assert schedule.num_prefilled_tokens == len(prompt) + 1
    assert schedule.running["r1"].num_computed_tokens == len(prompt)


def test_step_without_decodes_may_be_longer() -> None:
    """Up to `prefill_factor` times the tokens, until the first reply is in decode."""
    schedule = Scheduler(num_slots=2, max_step_tokens=20, prefill_factor=2)
    for name, length in (("a", 20), ("b", 60)):
        schedule.add_request(make_request(name, length=length))

    steps = [[part.num_tokens for part in run_step(schedule)] for _ in range(3)]

    assert steps == [[20, 20], [1, 14], [1, 13]]
