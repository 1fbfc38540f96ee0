"""Circuit breaker of the app's access: on a played clock, for short and long refusals."""

import threading
from itertools import pairwise

import pytest

from contract.app_access import (
    MAX_PROBE_DELAY_SECONDS,
    MAX_TRIAL_SECONDS,
    PROBE_METHOD,
    TRIAL_SECONDS,
    AppAccess,
)

POST = "chat.postMessage"
UPDATE = "chat.update"


class PlayedClock:
    """A clock that a test advances."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.seconds


@pytest.fixture
def clock() -> PlayedClock:
    """A clock at zero."""
    return PlayedClock()


@pytest.fixture
def access(clock: PlayedClock) -> AppAccess:
    """The access of an app that Slack accepts."""
    return AppAccess(clock)


def play_refusal(access: AppAccess, clock: PlayedClock, seconds: float) -> list[float]:
    """Let Slack refuse the app for a time; return when it was probed."""
    access.record_refusal(POST, "token_revoked")
    probes = []
    while clock.seconds < seconds:
        clock.seconds += 0.5
        if access.start_probe():
            probes.append(clock.seconds)
            access.record_refusal(PROBE_METHOD, "token_revoked")
    return probes


@pytest.mark.parametrize("seconds", [6.0, 600.0])
def test_work_resumes_within_a_probe_interval(
    access: AppAccess, clock: PlayedClock, seconds: float
) -> None:
    """After six seconds or ten minutes, a trial starts at the next probe."""
    probes = play_refusal(access, clock, seconds)
    assert access.is_blocked
    assert access.refusal == "token_revoked"
    gaps = [later - earlier for earlier, later in pairwise(probes)]
    assert gaps == sorted(gaps)
    assert max(gaps) <= MAX_PROBE_DELAY_SECONDS

    ended_at = clock.seconds
    while not access.start_probe():
        clock.seconds += 0.5
    assert clock.seconds - ended_at <= MAX_PROBE_DELAY_SECONDS
    access.record_success(PROBE_METHOD)
    assert [access.refusal, access.is_on_trial] == ["token_revoked", True]
    access.record_success(POST)
    assert [access.refusal, access.is_on_trial] == [None, False]


def test_failed_trial_blocks_for_longer(access: AppAccess, clock: PlayedClock) -> None:
    """`auth.test` may succeed while one method is refused."""
    delays = []
    for _ in range(8):
        access.record_refusal(UPDATE, "token_revoked")
        blocked_at = clock.seconds
        while not access.start_probe():
            clock.seconds += 0.5
        delays.append(clock.seconds - blocked_at)
        access.record_success(PROBE_METHOD)
        assert access.is_on_trial
    assert delays == [1, 2, 4, 8, 16, 30, 30, 30]


def test_refusals_of_running_jobs_do_not_lengthen_the_delay(
    access: AppAccess, clock: PlayedClock
) -> None:
    """Each of the jobs in flight is refused once."""
    for _ in range(20):
        access.record_refusal(POST, "invalid_auth")
    clock.seconds += 1.0
    assert access.start_probe()
    assert not access.start_probe()


def test_trial_without_refusal_ends(access: AppAccess, clock: PlayedClock) -> None:
    """No work may be there to prove that the refused method works again."""
    access.record_refusal(POST, "token_expired")
    access.record_success(PROBE_METHOD)
    assert access.refusal == "token_expired"
    clock.seconds += TRIAL_SECONDS
    assert access.refusal is None


def start_trial(access: AppAccess) -> None:
    """Let Slack refuse a method, and accept a probe."""
    access.record_refusal(UPDATE, "token_expired")
    access.record_success(PROBE_METHOD)


def test_trial_waits_for_slow_work(access: AppAccess, clock: PlayedClock) -> None:
    """A reply may take minutes until its first call of the refused method."""
    start_trial(access)
    with access.try_work():
        clock.seconds += MAX_TRIAL_SECONDS - 1
        access.record_success(POST)
        assert access.is_on_trial
    assert access.refusal is None


def test_trial_waits_for_work_that_began_before_it(access: AppAccess, clock: PlayedClock) -> None:
    """It will call the refused method too, and no other work is tried beside it."""
    with access.try_work():
        start_trial(access)
        clock.seconds += TRIAL_SECONDS
        assert access.is_on_trial
    assert access.refusal is None


def test_refused_work_opens_the_breaker_again(access: AppAccess, clock: PlayedClock) -> None:
    """Its end does not count as passed."""
    start_trial(access)
    with access.try_work():
        clock.seconds += TRIAL_SECONDS
        access.record_refusal(UPDATE, "token_expired")
    assert access.is_blocked


def test_failed_work_proves_nothing(access: AppAccess, clock: PlayedClock) -> None:
    """From its end on, a trial without work passes after its time."""
    start_trial(access)
    clock.seconds += TRIAL_SECONDS - 1
    with pytest.raises(TimeoutError), access.try_work():
        raise TimeoutError
    clock.seconds += 1
    assert access.is_on_trial
    clock.seconds += TRIAL_SECONDS
    assert access.refusal is None


def test_hanging_work_does_not_block_for_good(access: AppAccess, clock: PlayedClock) -> None:
    """The time is a bound for work that never ends."""
    start_trial(access)
    with access.try_work():
        clock.seconds += MAX_TRIAL_SECONDS
        assert access.refusal is None


def test_success_of_another_method_proves_nothing(access: AppAccess) -> None:
    """Only the refused method, or a probe, ends the block."""
    access.record_refusal(UPDATE, "token_revoked")
    access.record_success("users.info")
    assert access.is_blocked
    access.record_success(UPDATE)
    assert access.refusal is None


def test_waiting_thread_wakes_at_the_trial(access: AppAccess) -> None:
    """A notice of the bot waits in its thread."""
    access.record_refusal(POST, "token_revoked")
    assert not access.wait_until_unblocked(0)
    threading.Timer(0.05, access.record_success, [PROBE_METHOD]).start()
    assert access.wait_until_unblocked(10)


def test_readiness_names_the_error_until_the_app_is_accepted(access: AppAccess) -> None:
    """An operator reads which token or setting to mend."""
    assert access.describe_refusal() is None
    access.record_refusal(POST, "token_revoked")
    assert access.describe_refusal() == "Slack, which refuses the app (token_revoked)"
    access.record_success(POST)
    assert access.describe_refusal() is None


def test_success_of_another_call_refutes_no_refusal(access: AppAccess) -> None:
    """A token that may read but not post cannot answer; each refused method must succeed."""
    access.record_success(POST)
    access.record_refusal(POST, "missing_scope")
    access.record_refusal(UPDATE, "missing_scope")
    access.record_success("users.info")
    access.record_success(UPDATE)
    assert access.refusal == "missing_scope"
    access.record_success(POST)
    assert access.refusal is None
