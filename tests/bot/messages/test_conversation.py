"""Conversations: a thread's messages become turns for the model."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.messages.conversation import (
    build_conversation,
    count_people,
    truncate_oldest,
    users_to_resolve,
)
from bot.messages.message import AuthorKind, Message
from contract.conversation import Conversation, Speaker, Turn
from testing.slack_events import (
    ADA,
    BOT_IDENTITY,
    LIN,
    MENTION,
    make_message,
    make_reply,
    message_ts,
)

Json = dict[str, Any]
NAMES = {ADA: "Ada", LIN: "Lin"}


def parse_messages(*raw: Json) -> list[Message]:
    """Read Slack's messages as the thread's copy holds them."""
    return [found for said in raw if (found := Message.from_slack(said, BOT_IDENTITY))]


def list_turns(conversation: Conversation) -> list[tuple[str | None, str]]:
    """Return name and text of each turn; replies have the name `us`."""
    return [
        ("us" if turn.speaker is Speaker.ASSISTANT else turn.name, turn.text)
        for turn in conversation
    ]


def test_single_author_has_no_name() -> None:
    """A lone question is one turn, without the mention and without a name."""
    messages = parse_messages(make_message(1, f"{MENTION} what is a &lt;T&gt;?"))

    assert users_to_resolve(messages, until=message_ts(1), identity=BOT_IDENTITY) == ()
    assert list_turns(
        build_conversation(messages, until=message_ts(1), identity=BOT_IDENTITY, names={})
    ) == [(None, "what is a <T>?")]


def test_several_authors_have_names() -> None:
    """With a second author, each turn has a name."""
    messages = parse_messages(
        make_message(1, "it fails"), make_message(2, f"{MENTION} why?", user=LIN)
    )

    assert users_to_resolve(messages, until=message_ts(2), identity=BOT_IDENTITY) == (LIN, ADA)
    found = build_conversation(messages, until=message_ts(2), identity=BOT_IDENTITY, names=NAMES)
    assert list_turns(found) == [("Ada", "it fails"), ("Lin", "why?")]


def test_unresolved_user_keeps_id() -> None:
    """A user whose lookup fails is called by id."""
    messages = parse_messages(make_message(1, "a"), make_message(2, "b", user=LIN))

    assert list_turns(
        build_conversation(messages, until=message_ts(2), identity=BOT_IDENTITY, names={})
    ) == [(ADA, "a"), (LIN, "b")]


def test_mentions_become_names() -> None:
    """Mentions of people and of the bot become display names."""
    messages = parse_messages(
        make_message(1, f"{MENTION} is <@{LIN}> right that {MENTION} can count?")
    )

    assert users_to_resolve(messages, until=message_ts(1), identity=BOT_IDENTITY) == (LIN,)
    found = build_conversation(messages, until=message_ts(1), identity=BOT_IDENTITY, names=NAMES)
    assert list_turns(found) == [(None, "is @Lin right that @StarChat can count?")]


def test_authors_are_resolved_before_mentioned_users() -> None:
    """Few users of a message are looked up: the names of the newest turns come first."""
    mentioning = make_message(2, f"{MENTION} ask <@U0EVE00001> and <@U0BOB00001>", user=LIN)
    messages = parse_messages(make_message(1, "a"), mentioning, make_message(3, "b"))

    found = users_to_resolve(messages, until=message_ts(3), identity=BOT_IDENTITY)
    assert found == (ADA, LIN, "U0BOB00001", "U0EVE00001")


def test_other_bot_counts_as_author() -> None:
    """Another bot's post has its name, and makes names necessary."""
    messages = parse_messages(
        make_message(1, "v2 is out", user="U9", bot_id="B9", username="deploybot"),
        make_message(2, f"{MENTION} what changed?"),
    )

    assert users_to_resolve(messages, until=message_ts(2), identity=BOT_IDENTITY) == (ADA,)
    found = build_conversation(messages, until=message_ts(2), identity=BOT_IDENTITY, names=NAMES)
    assert list_turns(found) == [("deploybot", "v2 is out"), ("Ada", "what changed?")]


def test_reply_follows_its_question() -> None:
    """A reply comes after its own question, also if others were asked before it."""
    messages = parse_messages(
        make_message(1, "first"),
        make_message(2, "second"),
        make_reply(3, "to the first", question=message_ts(1)),
        make_reply(4, "to the second", question=message_ts(2)),
        make_message(5, "third"),
    )
    found = build_conversation(messages, until=message_ts(5), identity=BOT_IDENTITY, names=NAMES)

    assert [turn.text for turn in found] == [
        "first",
        "to the first",
        "second",
        "to the second",
        "third",
    ]
    assert [turn.in_reply_to for turn in found] == [None, message_ts(1), None, message_ts(2), None]


def test_conversation_ends_with_question() -> None:
    """Later messages and their replies are left out."""
    messages = parse_messages(
        make_message(1, "a"), make_message(2, "b"), make_reply(3, "to b", question=message_ts(2))
    )
    later = parse_messages(make_message(4, "c", user=LIN))

    assert list_turns(
        build_conversation(
            [*messages, *later], until=message_ts(2), identity=BOT_IDENTITY, names={}
        )
    ) == [
        (None, "a"),
        (None, "b"),
    ]
    assert users_to_resolve(later, until=message_ts(2), identity=BOT_IDENTITY) == ()


def test_reply_to_deleted_question_is_left_out() -> None:
    """A deleted question is not repeated by its reply."""
    messages = parse_messages(
        make_reply(3, "about the secret", question=message_ts(2)), make_message(4, "next")
    )

    assert list_turns(
        build_conversation(messages, until=message_ts(4), identity=BOT_IDENTITY, names={})
    ) == [(None, "next")]


def test_parts_of_reply_become_one_turn() -> None:
    """A reply of several messages is one turn."""
    messages = parse_messages(
        make_message(1, "long?"),
        make_reply(4, "the end", part=2),
        make_reply(3, "the beginning", part=1),
        make_message(5, "more"),
    )
    found = build_conversation(messages, until=message_ts(5), identity=BOT_IDENTITY, names={})

    assert [turn.text for turn in found] == ["long?", "the beginning\n\nthe end", "more"]


def test_repeated_part_counts_once() -> None:
    """Of two messages with the same part, the later one counts."""
    messages = parse_messages(
        make_message(1, "q"),
        make_reply(3, "old", part=1),
        make_reply(4, "new", part=1),
        make_message(5, "next"),
    )

    assert [
        t.text
        for t in build_conversation(messages, until=message_ts(5), identity=BOT_IDENTITY, names={})
    ] == ["q", "new", "next"]


def test_split_code_block_is_rejoined() -> None:
    """A fence that was closed and reopened between two parts is removed."""
    messages = parse_messages(
        make_message(1, "code?"),
        make_reply(3, "Here:", "```python\na = 1", part=1),
        make_reply(4, "```python\nb = 2", "Done.", part=2),
        make_message(5, "thanks"),
    )
    found = build_conversation(messages, until=message_ts(5), identity=BOT_IDENTITY, names={})

    assert found[1].text == "Here:\n\n```python\na = 1\nb = 2\n```\n\nDone."


def test_blocks_of_different_languages_stay_separate() -> None:
    """Only a block that continues in the same language is rejoined."""
    messages = parse_messages(
        make_message(1, "code?"),
        make_reply(3, "```python\na = 1", part=1),
        make_reply(4, "```sql\nselect 1", part=2),
        make_reply(5, "words", part=3),
        make_message(6, "thanks"),
    )
    found = build_conversation(messages, until=message_ts(6), identity=BOT_IDENTITY, names={})

    assert found[1].text == "```python\na = 1\n```\n\n```sql\nselect 1\n```\n\nwords"


def test_empty_messages_are_left_out_except_question() -> None:
    """A message without text is no turn, unless it is the question."""
    messages = parse_messages(make_message(1, " "), make_message(2, MENTION))

    assert list_turns(
        build_conversation(messages, until=message_ts(2), identity=BOT_IDENTITY, names={})
    ) == [(None, "")]


def test_commands_are_no_turns() -> None:
    """`follow` and an empty mention are left out; the same words without a mention stay."""
    messages = parse_messages(
        make_message(1, f"{MENTION} follow"),
        make_message(2, f"{MENTION}"),
        make_message(3, "help"),
        make_message(4, f"{MENTION} what is a mutex?"),
    )

    found = build_conversation(messages, until=message_ts(4), identity=BOT_IDENTITY, names={})
    assert [turn.text for turn in found] == ["help", "what is a mutex?"]


def test_attached_files_are_listed_in_turn() -> None:
    """The turn has the names of attached files."""
    messages = parse_messages(make_message(1, f"{MENTION} why?", files=[{"name": "error.log"}]))

    assert list_turns(
        build_conversation(messages, until=message_ts(1), identity=BOT_IDENTITY, names={})
    ) == [(None, "why?\n(attached file: error.log)")]


def test_count_of_people_excludes_bots() -> None:
    """Bots do not count as people of a thread."""
    messages = parse_messages(
        make_message(1),
        make_message(2),
        make_message(3, "x", bot_id="B9", user="U9"),
        make_reply(4, "words"),
    )

    assert count_people(messages) == 1
    assert count_people([*messages, *parse_messages(make_message(5, user=LIN))]) == 2


texts = st.text(st.characters(blacklist_characters="<>&", blacklist_categories=["Cs"]))
saying = st.tuples(st.sampled_from([ADA, LIN]), texts)


@given(st.lists(saying, min_size=1, max_size=8), st.data())
def test_question_is_last_turn_in_any_order(
    messages: list[tuple[str, str]], data: st.DataObject
) -> None:
    """In any order of messages, turns are sorted by time and end with the question."""
    kept = [
        Message(ts=message_ts(number), kind=AuthorKind.PERSON, author=author, text=text)
        for number, (author, text) in enumerate(messages)
    ]
    asked = data.draw(st.sampled_from(kept))
    found = build_conversation(
        data.draw(st.permutations(kept)), until=asked.ts, identity=BOT_IDENTITY, names=NAMES
    )

    assert found[-1].ts == asked.ts
    assert [turn.ts for turn in found] == sorted(turn.ts for turn in found)


@given(st.lists(texts, min_size=1, max_size=12), st.integers(min_value=0, max_value=2000))
def test_oldest_turns_are_dropped(said: list[str], most: int) -> None:
    """The kept turns are the newest, within the limit unless the question exceeds it."""
    turns = tuple(
        Turn(speaker=Speaker.USER, text=text, ts=message_ts(number))
        for number, text in enumerate(said)
    )
    kept = truncate_oldest(turns, most)
    size = sum(len(turn.model_dump_json().encode()) for turn in kept)

    assert kept == turns[len(turns) - len(kept) :]
    assert len(kept) == 1 or (kept and size <= most)


def test_turns_within_limit_are_kept() -> None:
    """A limit of two turns' size drops one of three; the last turn is always kept."""
    turns = tuple(Turn(speaker=Speaker.USER, text="x" * 100, ts=message_ts(n)) for n in range(3))
    size = len(turns[0].model_dump_json().encode())

    assert truncate_oldest(turns, 3 * size) == turns
    assert truncate_oldest(turns, 2 * size) == turns[1:]
    assert truncate_oldest(turns, 1) == turns[2:]
