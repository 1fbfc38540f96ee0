"""Promises about what comes after the end: changes, foreign words, deletions."""

from dataclasses import replace

import pytest

from chaos.checker.expectations import Bounds, Invariant
from chaos.checker.history import Canary, Find, Message
from tests.chaos.synthetic_histories import ONE, REPLY, TEAM, changed, named_by, reply, run

# -- I10: the final stays


def test_the_same_final_once_more_is_no_change() -> None:
    """Nobody sees it."""
    again = replace(REPLY.last, at=50.0)
    repeated = replace(REPLY, versions=(*REPLY.versions, again))
    assert named_by(run(ONE, messages=(repeated,))) == set()


def test_changes_after_the_end_are_let_pass_where_workers_were_paused() -> None:
    """As many as the run says, and no more."""
    history = run(ONE, messages=(changed(REPLY),))
    assert named_by(history, Bounds(late_edits=1)) == set()
    assert named_by(history, Bounds(late_edits=0)) == {(Invariant.FINAL, ONE.ts)}


def test_a_final_that_goes_is_missed() -> None:
    """Unless it was one of two, or its question went too."""
    gone = replace(REPLY, deleted_at=30.0)
    broken = {(Invariant.ONE_END, ONE.ts), (Invariant.FINAL, ONE.ts)}
    assert named_by(run(ONE, messages=(gone,))) == broken
    assert named_by(run(replace(ONE, deleted_at=29.0), messages=(gone,))) == set()


@pytest.mark.parametrize(("at", "broken"), [(12.0, False), (17.0, True)])
def test_a_reply_may_change_once_its_question_has(at: float, *, broken: bool) -> None:
    """But not before."""
    wanted = {(Invariant.FINAL, ONE.ts)} if broken else set()
    assert named_by(run(replace(ONE, edited_at=at), messages=(changed(REPLY),))) == wanted
    gone = replace(REPLY, deleted_at=16.5)
    history = run(replace(ONE, edited_at=at), messages=(gone, reply(ONE, after=20.0)))
    assert named_by(history) == set()
    history = run(replace(ONE, edited_at=at), messages=(gone,))
    assert named_by(history) == wanted | {(Invariant.ONE_END, ONE.ts)}


# -- I11: words stay where they belong


@pytest.mark.parametrize(
    ("canary", "broken"),
    [
        (Canary("echo", TEAM), False),
        (Canary("echo", TEAM, "C1"), False),
        (Canary("echo", TEAM, "C1", ONE.ts), False),
        (Canary("echo", "T2"), True),
        (Canary("echo", TEAM, "C2"), True),
        (Canary("echo", TEAM, "C1", "7.0"), True),
    ],
)
def test_a_word_of_another_place_is_foreign(canary: Canary, *, broken: bool) -> None:
    """Of another team, channel or thread."""
    wanted = {(Invariant.OWN_TENANT, REPLY.ts)} if broken else set()
    assert named_by(replace(run(ONE), canaries=(canary,))) == wanted


# -- I12: what is deleted is gone

DELETED = replace(ONE, deleted_at=10.8)


@pytest.mark.parametrize(
    ("said", "broken"),
    [
        ((), False),
        ((REPLY,), False),
        ((replace(REPLY, versions=REPLY.versions[:2]),), True),
        ((replace(REPLY, versions=REPLY.versions[:2], deleted_at=15.0),), False),
        ((replace(REPLY, versions=REPLY.versions[:2], deleted_at=17.0),), True),
        ((reply(ONE, after=2.0),), True),
        ((replace(reply(ONE, after=30.0), deleted_at=31.0),), True),
    ],
    ids=["none", "before", "stuck", "withdrawn", "late", "after", "much later"],
)
def test_a_deleted_question_has_no_reply(said: tuple[Message, ...], *, broken: bool) -> None:
    """Only one that ended before the deletion was known may stay."""
    wanted = {(Invariant.DELETED, ONE.ts)} if broken else set()
    assert named_by(run(DELETED, messages=said)) == wanted


@pytest.mark.parametrize(("at", "broken"), [(15.0, False), (16.0, True)])
def test_no_copy_of_a_deleted_question_is_left(at: float, *, broken: bool) -> None:
    """Such as in Redis; what still stands may be kept."""
    history = replace(run(DELETED, messages=()), finds=(Find(at, ONE.token, "a key"),))
    assert named_by(history) == ({(Invariant.DELETED, "a key")} if broken else set())
    assert named_by(replace(history, mentions=(ONE,), messages=(REPLY,))) == set()
