"""Redis keys: the tenant comes first, and no two things share a key."""

import inspect
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import keys
from contract.job import job_id

IDS = st.from_regex(r"[A-Z0-9]{1,4}", fullmatch=True)
TIMESTAMPS = st.from_regex(r"[0-9]{1,3}\.[0-9]{1,3}", fullmatch=True)
METHODS = st.sampled_from(["chat.update", "chat.postMessage", "rate_limit", "idempotency_key"])
CLIENT_MSG_IDS = st.uuids().map(str)

KEY_FUNCTIONS: dict[Callable[..., str], tuple[st.SearchStrategy[str], ...]] = {
    keys.idempotency_key: (IDS, IDS, TIMESTAMPS),
    keys.client_msg_id: (IDS, CLIENT_MSG_IDS),
    keys.inbox: (IDS,),
    keys.thread_queue: (IDS, IDS, TIMESTAMPS),
    keys.user_quota: (IDS, IDS),
    keys.user_usage: (IDS, IDS),
    keys.channel_usage: (IDS, IDS),
    keys.team_usage: (IDS,),
    keys.channel_jobs: (IDS, IDS),
    keys.user_questions: (IDS, IDS),
    keys.channel_questions: (IDS, IDS),
    keys.language_choices: (IDS,),
    keys.home_latch: (IDS,),
    keys.command_quota: (IDS, IDS),
    keys.thread_cache: (IDS, IDS, TIMESTAMPS),
    keys.thread_people: (IDS, IDS, TIMESTAMPS),
    keys.text_index: (IDS,),
    keys.text_sizes: (IDS,),
    keys.thread_mode: (IDS, IDS, TIMESTAMPS),
    keys.thread_joined: (IDS, IDS, TIMESTAMPS),
    keys.user_profile: (IDS, IDS),
    keys.channel_rules: (IDS,),
    keys.channel_moves: (IDS,),
    keys.welcome: (IDS, IDS),
    keys.told_people: (IDS,),
    keys.answer_cache: (IDS, IDS, TIMESTAMPS),
    keys.job_lease: (st.builds(job_id, IDS, IDS, TIMESTAMPS),),
    keys.reanswer_offer: (IDS, IDS, TIMESTAMPS, TIMESTAMPS),
    keys.reanswer: (IDS, IDS, TIMESTAMPS, TIMESTAMPS),
    keys.connection_window: (IDS,),
    keys.pending_notice: (IDS, IDS, TIMESTAMPS),
    keys.personal_notice: (IDS, IDS, IDS),
    keys.notice_quiet: (IDS, IDS, TIMESTAMPS, METHODS),
    keys.offer_count: (IDS, IDS, IDS),
    keys.notice_schedule: (IDS,),
    keys.rate_limit: (IDS, METHODS),
    keys.ask_marker: (IDS, IDS),
    keys.pending_ask: (IDS, IDS),
    keys.ask_schedule: (IDS,),
    keys.direct_message: (IDS, IDS),
    keys.extra_latch: (IDS, METHODS),
    keys.session_title: (IDS, IDS, TIMESTAMPS),
    keys.prompts_shown: (IDS, IDS),
    keys.stop_schedule: (IDS,),
    keys.code_schedule: (IDS,),
    keys.code_run: (IDS, IDS, TIMESTAMPS),
    keys.code_press: (IDS, IDS, TIMESTAMPS),
    keys.deletion_schedule: (IDS,),
    keys.session_schedule: (IDS,),
    keys.session_latch: (IDS,),
    keys.file_cache: (IDS, IDS, TIMESTAMPS),
    keys.vote_outbox: (IDS,),
    keys.ran_line_schedule: (IDS,),
    keys.ran_line_lease: (IDS, IDS, TIMESTAMPS),
}
MEMBER_FUNCTIONS: dict[Callable[..., str], tuple[str, str]] = {
    keys.session_member: ("C1", "1.2"),
    keys.file_field: ("F1", "1.2"),
}
"""Functions that name a member or a field of a key."""
KEY_CALLS = st.sampled_from(list(KEY_FUNCTIONS)).flatmap(
    lambda maker: st.tuples(st.just(maker), st.tuples(*KEY_FUNCTIONS[maker]))
)


def test_every_key_function_is_tested() -> None:
    """A new kind of key has to join the tests of this file."""
    made = {function for _, function in inspect.getmembers(keys, inspect.isfunction)}

    assert made == {*KEY_FUNCTIONS, *MEMBER_FUNCTIONS}


@pytest.mark.parametrize("make", MEMBER_FUNCTIONS)
def test_member_holds_its_parts(make: Callable[..., str]) -> None:
    """A reader of the key finds both ids."""
    parts = MEMBER_FUNCTIONS[make]

    assert make(*parts).split(":") == list(parts)


@given(one=KEY_CALLS, other=KEY_CALLS)
def test_two_things_never_share_a_key(
    one: tuple[Callable[..., str], tuple[str, ...]],
    other: tuple[Callable[..., str], tuple[str, ...]],
) -> None:
    """A key identifies its kind and its parts."""
    (make, parts), (make_other, other_parts) = one, other

    assert (make(*parts) == make_other(*other_parts)) is (one == other)


@given(made=KEY_CALLS)
def test_key_starts_with_its_tenant(made: tuple[Callable[..., str], tuple[str, ...]]) -> None:
    """All keys of a workspace can be found, and deleted, by its team."""
    make, parts = made
    team = parts[0].split("-")[0]

    assert make(*parts).startswith(f"starchat:{team}:")
    assert make(*parts) not in {keys.PENDING_JOBS, keys.WORKER_STATUSES}


@pytest.mark.parametrize("make", KEY_FUNCTIONS)
def test_key_ends_with_what_it_names(make: Callable[..., str]) -> None:
    """A reader of Redis finds a message, a thread or a user by its id."""
    parts = [f"T1-{number}" for number, _ in enumerate(KEY_FUNCTIONS[make])]

    assert make(*parts).split(":")[-len(parts[1:]) :] == (parts[1:] or make(*parts).split(":"))


def test_every_lifetime_is_at_most_a_month() -> None:
    """Each TTL is a positive number of seconds."""
    lives = [
        value
        for name, value in vars(keys).items()
        if name.endswith(("TTL_SECONDS", "STALE_SECONDS"))
    ]

    assert len(lives) == 8
    assert all(0 < seconds <= 30 * 24 * keys.SECONDS_PER_HOUR for seconds in lives)


def test_job_hash_fields_have_our_prefix() -> None:
    """RQ's own fields of the job hash cannot collide with them."""
    ours = (
        keys.PLACEHOLDER,
        keys.PLACEHOLDER_OWNER,
        keys.ANSWER,
        keys.ATTEMPTS,
        keys.METADATA_EVENT_TYPE,
    )

    assert all(name.startswith("starchat_") for name in ours)
    assert len(set(ours)) == len(ours)
