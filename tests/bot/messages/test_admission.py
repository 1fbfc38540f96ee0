"""The bot answers when it is meant, and is silent when it is not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.messages.admission import Policy, ThreadMode, Verdict, admit
from testing.slack_events import (
    ADA,
    BOT_IDENTITY,
    LIN,
    MENTION,
    make_message,
    make_message_event,
    message_ts,
)

Json = dict[str, Any]
THREAD: Json = {"thread_ts": message_ts(1)}
DIRECT: Json = {"channel": "D01", "channel_type": "im"}
GROUP: Json = {"channel": "G01", "channel_type": "mpim"}
OTHER = f"<@{LIN}>"


def admit_message(
    text: str,
    *,
    mode: ThreadMode | None = None,
    num_people: int | None = None,
    policy: Policy | None = None,
    **event: Any,
) -> Verdict:
    """Decide about a message with this text."""
    post = make_message_event(2, text, **event)
    return admit(post, BOT_IDENTITY, policy=policy or Policy(), mode=mode, num_people=num_people)


@pytest.mark.parametrize("where", [{}, THREAD, GROUP, DIRECT, GROUP | THREAD])
def test_a_mention_is_always_answered(where: Json) -> None:
    """Root or thread, channel or group: who mentions the bot is answered."""
    assert admit_message(f"{MENTION} what is a mutex?", **where) is Verdict.ANSWER
    assert admit_message(f"what is a mutex, {MENTION}?", **where) is Verdict.ANSWER


@pytest.mark.parametrize("mode", [None, ThreadMode.AUTO, ThreadMode.FOLLOW])
@pytest.mark.parametrize("where", [DIRECT, DIRECT | THREAD])
def test_a_direct_message_needs_no_mention(where: Json, mode: ThreadMode | None) -> None:
    """Between one person and the bot everything is a question."""
    assert admit_message("what is a mutex?", mode=mode, **where) is Verdict.ANSWER
    assert admit_message(f"{OTHER} said so, is it true?", mode=mode, **where) is Verdict.ANSWER


def test_a_muted_direct_thread_needs_a_mention() -> None:
    """Who asked for silence in a direct message gets it."""
    assert admit_message("hm", mode=ThreadMode.MUTE, **DIRECT, **THREAD) is Verdict.IGNORE
    assert (
        admit_message(f"{MENTION} hm", mode=ThreadMode.MUTE, **DIRECT, **THREAD) is Verdict.ANSWER
    )


@pytest.mark.parametrize("where", [{}, GROUP])
@pytest.mark.parametrize("mode", [None, ThreadMode.AUTO, ThreadMode.FOLLOW])
def test_a_message_outside_a_thread_needs_a_mention(where: Json, mode: ThreadMode | None) -> None:
    """What people say to each other in a channel or a group is none of the bot's business."""
    assert admit_message("what is a mutex?", mode=mode, num_people=1, **where) is Verdict.IGNORE


@pytest.mark.parametrize(
    ("mode", "people", "found"),
    [
        (None, 1, Verdict.IGNORE),
        (None, None, Verdict.IGNORE),
        (ThreadMode.AUTO, 1, Verdict.ANSWER),
        (ThreadMode.AUTO, 2, Verdict.IGNORE),
        (ThreadMode.AUTO, None, Verdict.IGNORE),
        (ThreadMode.FOLLOW, 1, Verdict.ANSWER),
        (ThreadMode.FOLLOW, 7, Verdict.ANSWER),
        (ThreadMode.FOLLOW, None, Verdict.ANSWER),
        (ThreadMode.MUTE, 1, Verdict.IGNORE),
    ],
)
@pytest.mark.parametrize("where", [THREAD, GROUP | THREAD])
def test_a_thread_is_followed_while_one_person_writes(
    where: Json, mode: ThreadMode | None, people: int | None, found: Verdict
) -> None:
    """After a mention the bot goes on with one person; with more it waits to be asked."""
    assert admit_message("and in Rust?", mode=mode, num_people=people, **where) is found


@pytest.mark.parametrize("mode", [ThreadMode.AUTO, ThreadMode.FOLLOW])
def test_a_message_to_somebody_else_is_not_for_us(mode: ThreadMode) -> None:
    """In a thread that is followed, who speaks to another person does not speak to the bot."""
    assert (
        admit_message(f"{OTHER} can you look?", mode=mode, num_people=1, **THREAD) is Verdict.IGNORE
    )
    assert (
        admit_message(f"can you look, {OTHER}?", mode=mode, num_people=1, **THREAD)
        is Verdict.IGNORE
    )


def test_a_message_that_opens_with_somebody_else_is_theirs() -> None:
    """Talking about the bot to another person is not talking to the bot."""
    assert admit_message(f"{OTHER} ask {MENTION} about it") is Verdict.IGNORE
    assert admit_message(f"{OTHER} {MENTION} what do you think?") is Verdict.ANSWER
    assert admit_message(f"hey {OTHER}, {MENTION} what is a mutex?") is Verdict.ANSWER


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", Verdict.EMPTY),
        ("   ", Verdict.EMPTY),
        ("...", Verdict.EMPTY),
        ("help", Verdict.HELP),
        ("Help!", Verdict.HELP),
        ("follow", Verdict.FOLLOW),
        ("MUTE.", Verdict.MUTE),
        ("forget", Verdict.FORGET),
        ("follow the pointer", Verdict.ANSWER),
        ("how do I mute a channel?", Verdict.ANSWER),
    ],
)
def test_a_few_words_are_commands(text: str, found: Verdict) -> None:
    """One word after the mention is a command; a sentence with that word is a question."""
    assert admit_message(f"{MENTION} {text}") is found
    assert admit_message(text or " ", **DIRECT) is found


def test_commands_need_to_be_said_to_us() -> None:
    """A word that is a command elsewhere is a question in a thread that is followed."""
    assert admit_message("help", mode=ThreadMode.AUTO, num_people=1, **THREAD) is Verdict.ANSWER
    assert admit_message(" ", mode=ThreadMode.AUTO, num_people=1, **THREAD) is Verdict.IGNORE


@pytest.mark.parametrize("where", [{}, THREAD, DIRECT])
def test_bots_start_nothing(where: Json) -> None:
    """No message of another bot is answered, so that two bots never talk for ever."""
    bot: Json = {"bot_id": "B9", "app_id": "A9", "user": "U9"}

    assert admit_message(f"{MENTION} hi", mode=ThreadMode.FOLLOW, **where, **bot) is Verdict.IGNORE


@pytest.mark.parametrize("known", ["B9", "A9", "U9"])
def test_a_bot_that_is_allowed_needs_a_mention(known: str) -> None:
    """An operator may let another bot ask, and then only by a mention."""
    policy = Policy(allowed_bots=frozenset({known}))
    bot: Json = {"bot_id": "B9", "app_id": "A9", "user": "U9"}

    assert admit_message(f"{MENTION} hi", policy=policy, **bot) is Verdict.ANSWER
    assert (
        admit_message("hi", policy=policy, mode=ThreadMode.FOLLOW, **THREAD, **bot)
        is Verdict.IGNORE
    )
    assert admit_message("hi", policy=policy, **DIRECT, **bot) is Verdict.IGNORE


def test_our_own_messages_start_nothing() -> None:
    """The bot never answers itself, not even where it is on its own allow list."""
    policy = Policy(allowed_bots=frozenset({BOT_IDENTITY.bot_id, BOT_IDENTITY.user_id}))

    assert (
        admit_message(
            f"{MENTION} hi", policy=policy, user=BOT_IDENTITY.user_id, bot_id=BOT_IDENTITY.bot_id
        )
        is Verdict.IGNORE
    )


@pytest.mark.parametrize("subtype", ["channel_join", "me_message", "channel_topic"])
def test_system_messages_start_nothing(subtype: str) -> None:
    """A topic that mentions the bot is no question."""
    assert admit_message(f"{MENTION} hi", subtype=subtype) is Verdict.IGNORE


@pytest.mark.parametrize("subtype", ["thread_broadcast", "file_share"])
def test_broadcasts_and_messages_with_files_are_questions(subtype: str) -> None:
    """A reply that is also sent to the channel, or has a file, is a message like any other."""
    assert admit_message(f"{MENTION} hi", subtype=subtype, **THREAD) is Verdict.ANSWER


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("where", [{}, THREAD, GROUP, DIRECT])
def test_people_of_other_workspaces_are_answered_only_where_allowed(
    where: Json,
    allowed: bool,  # noqa: FBT001
) -> None:
    """External people are declined unless the operator lets them in; silence stays silence."""
    outer = {"is_ext_shared_channel": True}
    policy = Policy(allow_external=allowed)
    external: Json = {"user_team": "T0OTHER001", "outer": outer}
    found = admit_message(f"{MENTION} hi", policy=policy, **where, **external)

    assert found is (Verdict.ANSWER if allowed else Verdict.OUTSIDER)
    assert admit_message("hi", policy=policy, **THREAD, **external) is Verdict.IGNORE


@pytest.mark.parametrize("allowed", [True, False])
def test_guests_are_answered_unless_they_are_not_to_be(allowed: bool) -> None:  # noqa: FBT001
    """A guest is answered like a member unless the operator says no."""
    guest: Json = {"user_profile": {"is_restricted": True}}
    found = admit_message(f"{MENTION} hi", policy=Policy(allow_guests=allowed), **guest)

    assert found is (Verdict.ANSWER if allowed else Verdict.OUTSIDER)


@given(
    st.lists(st.sampled_from([MENTION, OTHER, "hi", " ", "\n", "```x```", "&lt;@U&gt;"])).map(
        "".join
    ),
    st.sampled_from([None, *ThreadMode]),
    st.sampled_from([None, 0, 1, 2]),
    st.sampled_from([{}, THREAD, DIRECT, GROUP]),
)
def test_a_bot_is_never_answered(
    text: str, mode: ThreadMode | None, people: int | None, where: Json
) -> None:
    """Whatever the text and the place, a bot that is not allowed starts nothing."""
    assert admit_message(text, mode=mode, num_people=people, bot_id="B9", **where) is Verdict.IGNORE


def test_who_asks_is_who_wrote() -> None:
    """The author of a turn is the author of the message."""
    assert make_message_event(2, user=LIN).author == LIN
    assert make_message(2)["user"] == ADA
