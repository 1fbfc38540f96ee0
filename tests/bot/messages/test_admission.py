"""The bot answers when it is meant, and is silent when it is not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.messages.admission import Mode, Policy, Verdict, decide
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


def verdict(
    text: str,
    *,
    mode: Mode | None = None,
    people: int | None = None,
    policy: Policy | None = None,
    **event: Any,
) -> Verdict:
    """Decide about a message with this text."""
    post = make_message_event(2, text, **event)
    return decide(post, BOT_IDENTITY, policy=policy or Policy(), mode=mode, people=people)


@pytest.mark.parametrize("where", [{}, THREAD, GROUP, DIRECT, GROUP | THREAD])
def test_a_mention_is_always_answered(where: Json) -> None:
    """Root or thread, channel or group: who mentions the bot is answered."""
    assert verdict(f"{MENTION} what is a mutex?", **where) is Verdict.ANSWER
    assert verdict(f"what is a mutex, {MENTION}?", **where) is Verdict.ANSWER


@pytest.mark.parametrize("mode", [None, Mode.AUTO, Mode.FOLLOW])
@pytest.mark.parametrize("where", [DIRECT, DIRECT | THREAD])
def test_a_direct_message_needs_no_mention(where: Json, mode: Mode | None) -> None:
    """Between one person and the bot everything is a question."""
    assert verdict("what is a mutex?", mode=mode, **where) is Verdict.ANSWER
    assert verdict(f"{OTHER} said so, is it true?", mode=mode, **where) is Verdict.ANSWER


def test_a_muted_direct_thread_needs_a_mention() -> None:
    """Who asked for silence in a direct message gets it."""
    assert verdict("hm", mode=Mode.MUTE, **DIRECT, **THREAD) is Verdict.IGNORE
    assert verdict(f"{MENTION} hm", mode=Mode.MUTE, **DIRECT, **THREAD) is Verdict.ANSWER


@pytest.mark.parametrize("where", [{}, GROUP])
@pytest.mark.parametrize("mode", [None, Mode.AUTO, Mode.FOLLOW])
def test_a_message_outside_a_thread_needs_a_mention(where: Json, mode: Mode | None) -> None:
    """What people say to each other in a channel or a group is none of the bot's business."""
    assert verdict("what is a mutex?", mode=mode, people=1, **where) is Verdict.IGNORE


@pytest.mark.parametrize(
    ("mode", "people", "found"),
    [
        (None, 1, Verdict.IGNORE),
        (None, None, Verdict.IGNORE),
        (Mode.AUTO, 1, Verdict.ANSWER),
        (Mode.AUTO, 2, Verdict.IGNORE),
        (Mode.AUTO, None, Verdict.IGNORE),
        (Mode.FOLLOW, 1, Verdict.ANSWER),
        (Mode.FOLLOW, 7, Verdict.ANSWER),
        (Mode.FOLLOW, None, Verdict.ANSWER),
        (Mode.MUTE, 1, Verdict.IGNORE),
    ],
)
@pytest.mark.parametrize("where", [THREAD, GROUP | THREAD])
def test_a_thread_is_followed_while_one_person_writes(
    where: Json, mode: Mode | None, people: int | None, found: Verdict
) -> None:
    """After a mention the bot goes on with one person; with more it waits to be asked."""
    assert verdict("and in Rust?", mode=mode, people=people, **where) is found


@pytest.mark.parametrize("mode", [Mode.AUTO, Mode.FOLLOW])
def test_a_message_to_somebody_else_is_not_for_us(mode: Mode) -> None:
    """In a thread that is followed, who speaks to another person does not speak to the bot."""
    assert verdict(f"{OTHER} can you look?", mode=mode, people=1, **THREAD) is Verdict.IGNORE
    assert verdict(f"can you look, {OTHER}?", mode=mode, people=1, **THREAD) is Verdict.IGNORE


def test_a_message_that_opens_with_somebody_else_is_theirs() -> None:
    """Talking about the bot to another person is not talking to the bot."""
    assert verdict(f"{OTHER} ask {MENTION} about it") is Verdict.IGNORE
    assert verdict(f"{OTHER} {MENTION} what do you think?") is Verdict.ANSWER
    assert verdict(f"hey {OTHER}, {MENTION} what is a mutex?") is Verdict.ANSWER


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
    assert verdict(f"{MENTION} {text}") is found
    assert verdict(text or " ", **DIRECT) is found


def test_commands_need_to_be_said_to_us() -> None:
    """A word that is a command elsewhere is a question in a thread that is followed."""
    assert verdict("help", mode=Mode.AUTO, people=1, **THREAD) is Verdict.ANSWER
    assert verdict(" ", mode=Mode.AUTO, people=1, **THREAD) is Verdict.IGNORE


@pytest.mark.parametrize("where", [{}, THREAD, DIRECT])
def test_bots_start_nothing(where: Json) -> None:
    """No message of another bot is answered, so that two bots never talk for ever."""
    bot: Json = {"bot_id": "B9", "app_id": "A9", "user": "U9"}

    assert verdict(f"{MENTION} hi", mode=Mode.FOLLOW, **where, **bot) is Verdict.IGNORE


@pytest.mark.parametrize("known", ["B9", "A9", "U9"])
def test_a_bot_that_is_allowed_needs_a_mention(known: str) -> None:
    """An operator may let another bot ask, and then only by a mention."""
    policy = Policy(bots=frozenset({known}))
    bot: Json = {"bot_id": "B9", "app_id": "A9", "user": "U9"}

    assert verdict(f"{MENTION} hi", policy=policy, **bot) is Verdict.ANSWER
    assert verdict("hi", policy=policy, mode=Mode.FOLLOW, **THREAD, **bot) is Verdict.IGNORE
    assert verdict("hi", policy=policy, **DIRECT, **bot) is Verdict.IGNORE


def test_our_own_messages_start_nothing() -> None:
    """The bot never answers itself, not even where it is on its own allow list."""
    policy = Policy(bots=frozenset({BOT_IDENTITY.bot, BOT_IDENTITY.user}))

    assert (
        verdict(f"{MENTION} hi", policy=policy, user=BOT_IDENTITY.user, bot_id=BOT_IDENTITY.bot)
        is Verdict.IGNORE
    )


@pytest.mark.parametrize("subtype", ["channel_join", "me_message", "channel_topic"])
def test_system_messages_start_nothing(subtype: str) -> None:
    """A topic that mentions the bot is no question."""
    assert verdict(f"{MENTION} hi", subtype=subtype) is Verdict.IGNORE


@pytest.mark.parametrize("subtype", ["thread_broadcast", "file_share"])
def test_broadcasts_and_messages_with_files_are_questions(subtype: str) -> None:
    """A reply that is also sent to the channel, or has a file, is a message like any other."""
    assert verdict(f"{MENTION} hi", subtype=subtype, **THREAD) is Verdict.ANSWER


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("where", [{}, THREAD, GROUP, DIRECT])
def test_people_of_other_workspaces_are_answered_only_where_allowed(
    where: Json,
    allowed: bool,  # noqa: FBT001
) -> None:
    """External people are declined unless the operator lets them in; silence stays silence."""
    outer = {"is_ext_shared_channel": True}
    policy = Policy(external=allowed)
    external: Json = {"user_team": "T0OTHER001", "outer": outer}
    found = verdict(f"{MENTION} hi", policy=policy, **where, **external)

    assert found is (Verdict.ANSWER if allowed else Verdict.OUTSIDER)
    assert verdict("hi", policy=policy, **THREAD, **external) is Verdict.IGNORE


@pytest.mark.parametrize("allowed", [True, False])
def test_guests_are_answered_unless_they_are_not_to_be(allowed: bool) -> None:  # noqa: FBT001
    """A guest is answered like a member unless the operator says no."""
    guest: Json = {"user_profile": {"is_restricted": True}}
    found = verdict(f"{MENTION} hi", policy=Policy(guests=allowed), **guest)

    assert found is (Verdict.ANSWER if allowed else Verdict.OUTSIDER)


@given(
    st.lists(st.sampled_from([MENTION, OTHER, "hi", " ", "\n", "```x```", "&lt;@U&gt;"])).map(
        "".join
    ),
    st.sampled_from([None, *Mode]),
    st.sampled_from([None, 0, 1, 2]),
    st.sampled_from([{}, THREAD, DIRECT, GROUP]),
)
def test_a_bot_is_never_answered(
    text: str, mode: Mode | None, people: int | None, where: Json
) -> None:
    """Whatever the text and the place, a bot that is not allowed starts nothing."""
    assert verdict(text, mode=mode, people=people, bot_id="B9", **where) is Verdict.IGNORE


def test_who_asks_is_who_wrote() -> None:
    """The author of a turn is the author of the message."""
    assert make_message_event(2, user=LIN).author == LIN
    assert make_message(2)["user"] == ADA
