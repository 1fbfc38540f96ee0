"""Attribution of messages to mentions by metadata, token or position."""

from dataclasses import replace

from chaos.checker.expectations import Invariant
from chaos.checker.history import Message, State, Version
from tests.chaos.synthetic_histories import (
    FIRST_MENTION,
    FIRST_REPLY,
    OTHER_PLACE,
    SECOND_MENTION,
    find_violations,
    make_history,
    make_mention,
    make_reply,
    timestamp_at,
)


def test_reply_without_metadata_is_attributed_by_its_token() -> None:
    """The token decides even if a younger question is above the reply."""
    older, younger = (
        make_reply(FIRST_MENTION, delay=11.0, with_metadata=False),
        make_reply(SECOND_MENTION, delay=3.0, with_metadata=False),
    )
    assert (
        find_violations(make_history(FIRST_MENTION, SECOND_MENTION, messages=(older, younger)))
        == set()
    )
    moved = replace(older, place=OTHER_PLACE)
    broken = {(Invariant.RIGHT_PLACE, FIRST_MENTION.ts)}
    assert (
        find_violations(make_history(FIRST_MENTION, SECOND_MENTION, messages=(moved, younger)))
        == broken
    )


def test_reply_with_several_tokens_answers_the_last_question() -> None:
    """The reply quotes an older question of its thread and one of another thread."""
    other = make_mention(25.0, channel="C2")
    said = make_reply(SECOND_MENTION, delay=8.0, with_metadata=False)
    words = frozenset({FIRST_MENTION.token, SECOND_MENTION.token, other.token})
    quoting = replace(said, versions=(replace(said.last_version, words=words),))
    messages = (FIRST_REPLY, quoting, make_reply(other))
    assert (
        find_violations(make_history(FIRST_MENTION, SECOND_MENTION, other, messages=messages))
        == set()
    )


def test_metadata_takes_precedence_over_tokens() -> None:
    """The reply quotes another question's token."""
    quoting = replace(FIRST_REPLY.last_version, words=frozenset({SECOND_MENTION.token}))
    said = replace(FIRST_REPLY, versions=(*FIRST_REPLY.versions[:2], quoting))
    assert (
        find_violations(
            make_history(FIRST_MENTION, SECOND_MENTION, messages=(said, make_reply(SECOND_MENTION)))
        )
        == set()
    )


def test_message_without_token_belongs_to_the_question_above() -> None:
    """A second placeholder counts as a duplicate of that question."""
    orphan = Message(timestamp_at(15.0), FIRST_MENTION.place, (Version(15.0, State.PLACEHOLDER),))
    history = make_history(
        FIRST_MENTION, SECOND_MENTION, messages=(FIRST_REPLY, orphan, make_reply(SECOND_MENTION))
    )
    assert find_violations(history) == {(Invariant.ONE_MESSAGE, FIRST_MENTION.ts)}
