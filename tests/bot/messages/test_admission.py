"""Admission: the bot answers messages to it and ignores all others."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.messages.admission import (
    Policy,
    ThreadMode,
    Verdict,
    admit,
    read_single_word,
    refuse_guest,
)
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
def test_mention_is_answered(where: Json) -> None:
    """Root or reply, channel or group: a mention is answered."""
    assert admit_message(f"{MENTION} what is a mutex?", **where) is Verdict.ANSWER
    assert admit_message(f"what is a mutex, {MENTION}?", **where) is Verdict.ANSWER


@pytest.mark.parametrize("mode", [None, ThreadMode.AUTO, ThreadMode.FOLLOW])
@pytest.mark.parametrize("where", [DIRECT, DIRECT | THREAD])
def test_im_needs_no_mention(where: Json, mode: ThreadMode | None) -> None:
    """In a direct message, each message is a question."""
    assert admit_message("what is a mutex?", mode=mode, **where) is Verdict.ANSWER
    assert admit_message(f"{OTHER} said so, is it true?", mode=mode, **where) is Verdict.ANSWER


def test_muted_im_thread_needs_mention() -> None:
    """`mute` also works in a direct message."""
    assert admit_message("hm", mode=ThreadMode.MUTE, **DIRECT, **THREAD) is Verdict.IGNORE
    assert (
        admit_message(f"{MENTION} hm", mode=ThreadMode.MUTE, **DIRECT, **THREAD) is Verdict.ANSWER
    )


@pytest.mark.parametrize("where", [{}, GROUP])
@pytest.mark.parametrize("mode", [None, ThreadMode.AUTO, ThreadMode.FOLLOW])
def test_root_message_needs_mention(where: Json, mode: ThreadMode | None) -> None:
    """A root message of a channel or group without a mention is ignored."""
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
def test_auto_mode_follows_one_person(
    where: Json, mode: ThreadMode | None, people: int | None, found: Verdict
) -> None:
    """With more people in the thread, the bot waits for a mention."""
    assert admit_message("and in Rust?", mode=mode, num_people=people, **where) is found


@pytest.mark.parametrize("mode", [ThreadMode.AUTO, ThreadMode.FOLLOW])
def test_mention_of_another_person_is_ignored(mode: ThreadMode) -> None:
    """In a followed thread, a message that mentions another person is no question."""
    assert (
        admit_message(f"{OTHER} can you look?", mode=mode, num_people=1, **THREAD) is Verdict.IGNORE
    )
    assert (
        admit_message(f"can you look, {OTHER}?", mode=mode, num_people=1, **THREAD)
        is Verdict.IGNORE
    )


def test_mention_after_other_mentions_is_answered() -> None:
    """A mention of the bot is a question, wherever it is in the message."""
    assert admit_message(f"{OTHER} ask {MENTION} about it") is Verdict.ANSWER
    assert admit_message(f"{OTHER} and {MENTION} what do you think?") is Verdict.ANSWER
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
        ("`mute`", Verdict.MUTE),
        ("```mute```", Verdict.MUTE),
        ("*help*", Verdict.HELP),
        ("_~help~_!", Verdict.HELP),
        ("&gt; mute", Verdict.MUTE),
        ("“follow”", Verdict.FOLLOW),
        ("help :pray:", Verdict.HELP),
        (f"help {MENTION}", Verdict.HELP),
        (f"`mute` <@{BOT_IDENTITY.user_id}|starchat>.", Verdict.MUTE),
        ("…", Verdict.EMPTY),
        ("&lt;=", Verdict.ANSWER),
        (":thumbsup:", Verdict.ANSWER),
        ("👍", Verdict.ANSWER),
        ("mute help", Verdict.ANSWER),
        ("help.py", Verdict.ANSWER),
        (f"mute {OTHER}", Verdict.ANSWER),
        ("forget", Verdict.FORGET),
        ("follow the pointer", Verdict.ANSWER),
        ("how do I mute a channel?", Verdict.ANSWER),
    ],
)
def test_single_words_are_commands(text: str, found: Verdict) -> None:
    """One word after the mention is a command; a sentence with it is a question."""
    assert admit_message(f"{MENTION} {text}") is found
    assert admit_message(text or " ", **DIRECT) is found


@pytest.mark.parametrize(
    ("text", "word"), [("`Status`", "status"), (" *forget*!", "forget"), ("a b", ""), ("…", "")]
)
def test_slash_command_is_a_single_word(text: str, word: str) -> None:
    """`/starchat` takes its command with formatting too."""
    assert read_single_word(text) == word


def test_commands_need_mention_in_channel() -> None:
    """In a followed thread, a command word without a mention is a question."""
    assert admit_message("help", mode=ThreadMode.AUTO, num_people=1, **THREAD) is Verdict.ANSWER
    assert admit_message(" ", mode=ThreadMode.AUTO, num_people=1, **THREAD) is Verdict.IGNORE


@pytest.mark.parametrize("where", [{}, THREAD, DIRECT])
def test_bot_messages_are_ignored(where: Json) -> None:
    """Neither messages of other bots nor the own ones start an answer."""
    bot: Json = {"bot_id": "B9", "app_id": "A9", "user": "U9"}

    assert admit_message(f"{MENTION} hi", mode=ThreadMode.FOLLOW, **where, **bot) is Verdict.IGNORE


@pytest.mark.parametrize("known", ["B9", "A9", "U9"])
def test_allowed_bot_needs_mention(known: str) -> None:
    """A listed bot may ask only by a mention."""
    policy = Policy(allowed_bots=frozenset({known}))
    bot: Json = {"bot_id": "B9", "app_id": "A9", "user": "U9"}

    assert admit_message(f"{MENTION} hi", policy=policy, **bot) is Verdict.ANSWER
    assert (
        admit_message("hi", policy=policy, mode=ThreadMode.FOLLOW, **THREAD, **bot)
        is Verdict.IGNORE
    )
    assert admit_message("hi", policy=policy, **DIRECT, **bot) is Verdict.IGNORE


def test_own_messages_are_ignored() -> None:
    """The bot never answers itself, also if it lists itself as allowed."""
    policy = Policy(allowed_bots=frozenset({BOT_IDENTITY.bot_id, BOT_IDENTITY.user_id}))

    assert (
        admit_message(
            f"{MENTION} hi", policy=policy, user=BOT_IDENTITY.user_id, bot_id=BOT_IDENTITY.bot_id
        )
        is Verdict.IGNORE
    )


@pytest.mark.parametrize("subtype", ["channel_join", "channel_topic"])
def test_system_messages_are_ignored(subtype: str) -> None:
    """A channel topic that mentions the bot is no question."""
    assert admit_message(f"{MENTION} hi", subtype=subtype) is Verdict.IGNORE


@pytest.mark.parametrize("subtype", ["thread_broadcast", "file_share", "me_message"])
def test_broadcasts_files_and_asides_are_questions(subtype: str) -> None:
    """A thread broadcast, a message with a file and `/me` are questions."""
    assert admit_message(f"{MENTION} hi", subtype=subtype, **THREAD) is Verdict.ANSWER


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("where", [{}, THREAD, GROUP, DIRECT])
def test_external_people_are_refused_unless_allowed(
    where: Json,
    allowed: bool,  # noqa: FBT001
) -> None:
    """Messages that are no questions stay ignored."""
    outer = {"is_ext_shared_channel": True}
    policy = Policy(allow_external=allowed)
    external: Json = {"user_team": "T0OTHER001", "outer": outer}
    found = admit_message(f"{MENTION} hi", policy=policy, **where, **external)

    assert found is (Verdict.ANSWER if allowed else Verdict.OUTSIDER)
    assert admit_message("hi", policy=policy, **THREAD, **external) is Verdict.IGNORE


@pytest.mark.parametrize("allowed", [True, False])
def test_guests_are_answered_unless_denied(allowed: bool) -> None:  # noqa: FBT001
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
def test_unlisted_bot_is_never_answered(
    text: str, mode: ThreadMode | None, people: int | None, where: Json
) -> None:
    """A bot that is not listed starts no answer, in every channel and with every text."""
    assert admit_message(text, mode=mode, num_people=people, bot_id="B9", **where) is Verdict.IGNORE


def test_author_of_question_is_author_of_message() -> None:
    """The author of a question is the author of its message."""
    assert make_message_event(2, user=LIN).author == LIN
    assert make_message(2)["user"] == ADA


def test_forwarded_message_is_a_question() -> None:
    """A mention without further words asks about the message that is forwarded with it."""
    forwarded = {"is_share": True, "text": "it fails", "author_name": "Lin"}

    assert admit_message(MENTION) is Verdict.EMPTY
    assert admit_message(MENTION, attachments=[forwarded]) is Verdict.ANSWER


def test_author_is_a_guest_a_member_or_unknown() -> None:
    """Only a profile that Slack has shown makes an author a member."""
    assert refuse_guest(is_guest=True, is_resolved=True) is Verdict.OUTSIDER
    assert refuse_guest(is_guest=False, is_resolved=False) is Verdict.UNVERIFIED
    assert refuse_guest(is_guest=False, is_resolved=True) is None
