"""Invariants after the end of a reply: edits, tenant isolation, deletions."""

from dataclasses import replace

import pytest

from chaos.checker.expectations import Bounds, Invariant
from chaos.checker.history import Canary, LeakFinding, Message
from tests.chaos.synthetic_histories import (
    FIRST_MENTION,
    FIRST_REPLY,
    TEAM,
    change_after_end,
    find_violations,
    make_history,
    make_reply,
)

# -- final


def test_repeated_identical_final_is_not_a_change() -> None:
    """An update with the same look is invisible."""
    again = replace(FIRST_REPLY.last_version, at=50.0)
    repeated = replace(FIRST_REPLY, versions=(*FIRST_REPLY.versions, again))
    assert find_violations(make_history(FIRST_MENTION, messages=(repeated,))) == set()


def test_late_edits_up_to_the_bound_pass() -> None:
    """The bound gives the number of allowed edits."""
    history = make_history(FIRST_MENTION, messages=(change_after_end(FIRST_REPLY),))
    assert find_violations(history, Bounds(max_late_edits=1)) == set()
    assert find_violations(history, Bounds(max_late_edits=0)) == {
        (Invariant.FINAL, FIRST_MENTION.ts)
    }


def test_deleted_final_reply_is_reported() -> None:
    """A duplicate and the reply to a deleted question may be deleted."""
    gone = replace(FIRST_REPLY, deleted_at=30.0)
    broken = {(Invariant.ONE_END, FIRST_MENTION.ts), (Invariant.FINAL, FIRST_MENTION.ts)}
    assert find_violations(make_history(FIRST_MENTION, messages=(gone,))) == broken
    assert (
        find_violations(make_history(replace(FIRST_MENTION, deleted_at=29.0), messages=(gone,)))
        == set()
    )


@pytest.mark.parametrize(("at", "broken"), [(12.0, False), (17.0, True)])
def test_reply_may_change_after_its_question_is_edited(at: float, *, broken: bool) -> None:
    """A change before the edit is a violation."""
    wanted = {(Invariant.FINAL, FIRST_MENTION.ts)} if broken else set()
    assert (
        find_violations(
            make_history(
                replace(FIRST_MENTION, edited_at=at), messages=(change_after_end(FIRST_REPLY),)
            )
        )
        == wanted
    )
    gone = replace(FIRST_REPLY, deleted_at=16.5)
    history = make_history(
        replace(FIRST_MENTION, edited_at=at), messages=(gone, make_reply(FIRST_MENTION, delay=20.0))
    )
    assert find_violations(history) == set()
    history = make_history(replace(FIRST_MENTION, edited_at=at), messages=(gone,))
    assert find_violations(history) == wanted | {(Invariant.ONE_END, FIRST_MENTION.ts)}


# -- own tenant


@pytest.mark.parametrize(
    ("canary", "broken"),
    [
        (Canary("echo", TEAM), False),
        (Canary("echo", TEAM, "C1"), False),
        (Canary("echo", TEAM, "C1", FIRST_MENTION.ts), False),
        (Canary("echo", "T2"), True),
        (Canary("echo", TEAM, "C2"), True),
        (Canary("echo", TEAM, "C1", "7.0"), True),
    ],
)
def test_canary_shown_outside_its_scope_is_reported(canary: Canary, *, broken: bool) -> None:
    """The word belongs to another team, channel or thread."""
    wanted = {(Invariant.OWN_TENANT, FIRST_REPLY.ts)} if broken else set()
    assert find_violations(replace(make_history(FIRST_MENTION), canaries=(canary,))) == wanted


# -- deleted

DELETED_MENTION = replace(FIRST_MENTION, deleted_at=10.8)


@pytest.mark.parametrize(
    ("said", "broken"),
    [
        ((), False),
        ((FIRST_REPLY,), False),
        ((replace(FIRST_REPLY, versions=FIRST_REPLY.versions[:2]),), True),
        ((replace(FIRST_REPLY, versions=FIRST_REPLY.versions[:2], deleted_at=15.0),), False),
        ((replace(FIRST_REPLY, versions=FIRST_REPLY.versions[:2], deleted_at=17.0),), True),
        ((make_reply(FIRST_MENTION, delay=2.0),), True),
        ((replace(make_reply(FIRST_MENTION, delay=30.0), deleted_at=31.0),), True),
    ],
    ids=["none", "before", "stuck", "withdrawn", "late", "after", "much later"],
)
def test_reply_to_a_deleted_question_is_reported(
    said: tuple[Message, ...], *, broken: bool
) -> None:
    """A reply that ended before the deletion was known may stay."""
    wanted = {(Invariant.DELETED, FIRST_MENTION.ts)} if broken else set()
    assert find_violations(make_history(DELETED_MENTION, messages=said)) == wanted


@pytest.mark.parametrize(("at", "broken"), [(15.0, False), (16.0, True)])
def test_copy_of_a_deleted_question_is_reported(at: float, *, broken: bool) -> None:
    """A key in Redis must not contain its token after five seconds."""
    history = replace(
        make_history(DELETED_MENTION, messages=()),
        finds=(LeakFinding(at, FIRST_MENTION.token, "a key"),),
    )
    assert find_violations(history) == ({(Invariant.DELETED, "a key")} if broken else set())
    assert (
        find_violations(replace(history, mentions=(FIRST_MENTION,), messages=(FIRST_REPLY,)))
        == set()
    )
