"""Which mention a message answers: by metadata, by its words, or by where it stands."""

from dataclasses import replace

from chaos.checker.expectations import Invariant
from chaos.checker.history import Message, State, Version
from tests.chaos.synthetic_histories import (
    ELSEWHERE,
    FOLLOWING,
    ONE,
    REPLY,
    mention,
    named,
    named_by,
    reply,
    run,
)


def test_a_reply_without_metadata_is_known_by_its_words() -> None:
    """Also in a thread where it is not the youngest question that it answers."""
    older, younger = reply(ONE, after=11.0, ours=False), reply(FOLLOWING, after=3.0, ours=False)
    assert named_by(run(ONE, FOLLOWING, messages=(older, younger))) == set()
    moved = replace(older, place=ELSEWHERE)
    broken = {(Invariant.RIGHT_PLACE, ONE.ts)}
    assert named_by(run(ONE, FOLLOWING, messages=(moved, younger))) == broken


def test_among_several_words_the_reply_answers_what_was_asked_there_last() -> None:
    """It may quote an older question of its thread, and one of another thread."""
    other = mention(25.0, channel="C2")
    said = reply(FOLLOWING, after=8.0, ours=False)
    words = frozenset({ONE.token, FOLLOWING.token, other.token})
    quoting = replace(said, versions=(replace(said.last, words=words),))
    messages = (REPLY, quoting, reply(other))
    assert named_by(run(ONE, FOLLOWING, other, messages=messages)) == set()


def test_metadata_says_more_than_words() -> None:
    """A reply may quote another question."""
    quoting = replace(REPLY.last, words=frozenset({FOLLOWING.token}))
    said = replace(REPLY, versions=(*REPLY.versions[:2], quoting))
    assert named_by(run(ONE, FOLLOWING, messages=(said, reply(FOLLOWING)))) == set()


def test_a_message_without_words_belongs_to_the_question_above() -> None:
    """An orphaned placeholder is one message too many for it."""
    orphan = Message(named(15.0), ONE.place, (Version(15.0, State.PLACEHOLDER),))
    history = run(ONE, FOLLOWING, messages=(REPLY, orphan, reply(FOLLOWING)))
    assert named_by(history) == {(Invariant.ONE_MESSAGE, ONE.ts)}
