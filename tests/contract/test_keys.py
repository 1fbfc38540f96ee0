"""Names of keys: the tenant first, and never one name for two things."""

import inspect
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from contract import keys
from contract.job import job_id

IDS = st.from_regex(r"[A-Z0-9]{1,4}", fullmatch=True)
STAMPS = st.from_regex(r"[0-9]{1,3}\.[0-9]{1,3}", fullmatch=True)
METHODS = st.sampled_from(["chat.update", "chat.postMessage", "rate", "seen"])
GESTURES = st.uuids().map(str)

MAKERS: dict[Callable[..., str], tuple[st.SearchStrategy[str], ...]] = {
    keys.seen: (IDS, IDS, STAMPS),
    keys.gesture: (IDS, GESTURES),
    keys.lane: (IDS, IDS, STAMPS),
    keys.person: (IDS, IDS),
    keys.thread: (IDS, IDS, STAMPS),
    keys.session: (IDS, IDS, STAMPS),
    keys.name: (IDS, IDS),
    keys.memory: (IDS, IDS, STAMPS),
    keys.lease: (st.builds(job_id, IDS, IDS, STAMPS),),
    keys.offer: (IDS, IDS, STAMPS, STAMPS),
    keys.again: (IDS, IDS, STAMPS, STAMPS),
    keys.connected: (IDS,),
    keys.notice: (IDS, IDS, STAMPS),
    keys.notices: (IDS,),
    keys.rate: (IDS, METHODS),
}
MADE = st.sampled_from(list(MAKERS)).flatmap(
    lambda maker: st.tuples(st.just(maker), st.tuples(*MAKERS[maker]))
)


def test_every_name_is_among_those_tested_here() -> None:
    """A new kind of key has to join the tests of this file."""
    made = {function for _, function in inspect.getmembers(keys, inspect.isfunction)}

    assert made == set(MAKERS)


@given(one=MADE, other=MADE)
def test_two_things_never_share_a_key(
    one: tuple[Callable[..., str], tuple[str, ...]],
    other: tuple[Callable[..., str], tuple[str, ...]],
) -> None:
    """Kind and parts can be told from a key: other things have other keys."""
    (make, parts), (make_other, other_parts) = one, other

    assert (make(*parts) == make_other(*other_parts)) is (one == other)


@given(made=MADE)
def test_the_tenant_comes_first(made: tuple[Callable[..., str], tuple[str, ...]]) -> None:
    """All keys of a workspace can be found, and deleted, by its team alone."""
    make, parts = made
    team = parts[0].split("-")[0]

    assert make(*parts).startswith(f"starchat:{team}:")
    assert make(*parts) not in {keys.PENDING, keys.WORKERS}


def test_nothing_lives_for_ever() -> None:
    """Every lifetime is a number of seconds of at most a month."""
    lives = [value for name, value in vars(keys).items() if name.endswith(("TTL", "STALE"))]

    assert len(lives) == 6
    assert all(0 < seconds <= 30 * 24 * keys.HOUR for seconds in lives)


def test_our_fields_cannot_meet_rq_s() -> None:
    """What we add to RQ's job hash is named after us."""
    ours = (keys.PLACEHOLDER, keys.POSTING, keys.ANSWER, keys.ATTEMPTS, keys.METADATA)

    assert all(name.startswith("starchat_") for name in ours)
    assert len(set(ours)) == len(ours)
