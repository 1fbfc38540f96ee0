"""The messages of a thread become the conversation that the model is to continue."""

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
    """Return who said what; we are `None`."""
    return [
        ("us" if turn.speaker is Speaker.ASSISTANT else turn.name, turn.text)
        for turn in conversation
    ]


def test_one_person_alone_needs_no_name() -> None:
    """A question in a thread of its own is one turn, without our mention and without a name."""
    messages = parse_messages(make_message(1, f"{MENTION} what is a &lt;T&gt;?"))

    assert users_to_resolve(messages, until=message_ts(1), identity=BOT_IDENTITY) == frozenset()
    assert list_turns(
        build_conversation(messages, until=message_ts(1), identity=BOT_IDENTITY, names={})
    ) == [(None, "what is a <T>?")]


def test_several_people_are_called_by_their_names() -> None:
    """As soon as a second person has written, everybody has a name."""
    messages = parse_messages(
        make_message(1, "it fails"), make_message(2, f"{MENTION} why?", user=LIN)
    )

    assert users_to_resolve(messages, until=message_ts(2), identity=BOT_IDENTITY) == {ADA, LIN}
    found = build_conversation(messages, until=message_ts(2), identity=BOT_IDENTITY, names=NAMES)
    assert list_turns(found) == [("Ada", "it fails"), ("Lin", "why?")]


def test_who_cannot_be_looked_up_is_called_by_id() -> None:
    """A missing name never keeps a question from being answered."""
    messages = parse_messages(make_message(1, "a"), make_message(2, "b", user=LIN))

    assert list_turns(
        build_conversation(messages, until=message_ts(2), identity=BOT_IDENTITY, names={})
    ) == [(ADA, "a"), (LIN, "b")]


def test_people_in_the_text_are_named_and_so_are_we() -> None:
    """A mention inside a text becomes a name; our own in the middle becomes ours."""
    messages = parse_messages(
        make_message(1, f"{MENTION} is <@{LIN}> right that {MENTION} can count?")
    )

    assert users_to_resolve(messages, until=message_ts(1), identity=BOT_IDENTITY) == {LIN}
    found = build_conversation(messages, until=message_ts(1), identity=BOT_IDENTITY, names=NAMES)
    assert list_turns(found) == [(None, "is @Lin right that @StarChat can count?")]


def test_another_bot_has_its_own_name() -> None:
    """A post of another bot is context with the bot's name, and makes names necessary."""
    messages = parse_messages(
        make_message(1, "v2 is out", user="U9", bot_id="B9", username="deploybot"),
        make_message(2, f"{MENTION} what changed?"),
    )

    assert users_to_resolve(messages, until=message_ts(2), identity=BOT_IDENTITY) == {ADA}
    found = build_conversation(messages, until=message_ts(2), identity=BOT_IDENTITY, names=NAMES)
    assert list_turns(found) == [("deploybot", "v2 is out"), ("Ada", "what changed?")]


def test_our_replies_stand_behind_their_questions() -> None:
    """A reply answers its own question even where another was asked before it came."""
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


def test_the_turns_end_with_the_message_that_asks() -> None:
    """What was written later is not part of the question, nor is a reply to it."""
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
    assert (
        users_to_resolve(
            parse_messages(make_message(4, "c", user=LIN)),
            until=message_ts(2),
            identity=BOT_IDENTITY,
        )
        == frozenset()
    )


def test_a_reply_whose_question_was_deleted_is_left_out() -> None:
    """What somebody took back is not repeated by what we said about it."""
    messages = parse_messages(
        make_reply(3, "about the secret", question=message_ts(2)), make_message(4, "next")
    )

    assert list_turns(
        build_conversation(messages, until=message_ts(4), identity=BOT_IDENTITY, names={})
    ) == [(None, "next")]


def test_the_parts_of_a_reply_are_one_turn() -> None:
    """A reply that was too long for one message is read back whole."""
    messages = parse_messages(
        make_message(1, "long?"),
        make_reply(4, "the end", part=2),
        make_reply(3, "the beginning", part=1),
        make_message(5, "more"),
    )
    found = build_conversation(messages, until=message_ts(5), identity=BOT_IDENTITY, names={})

    assert [turn.text for turn in found] == ["long?", "the beginning\n\nthe end", "more"]


def test_a_part_that_was_posted_twice_is_read_once() -> None:
    """Of two messages for one part the later one counts."""
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


def test_code_that_was_split_between_parts_is_one_block_again() -> None:
    """A fence that was closed and reopened with its language at a split disappears."""
    messages = parse_messages(
        make_message(1, "code?"),
        make_reply(3, "Here:", "```python\na = 1", part=1),
        make_reply(4, "```python\nb = 2", "Done.", part=2),
        make_message(5, "thanks"),
    )
    found = build_conversation(messages, until=message_ts(5), identity=BOT_IDENTITY, names={})

    assert found[1].text == "Here:\n\n```python\na = 1\nb = 2\n```\n\nDone."


def test_two_blocks_of_different_languages_stay_two() -> None:
    """Only a block that goes on in the same language is sewn together."""
    messages = parse_messages(
        make_message(1, "code?"),
        make_reply(3, "```python\na = 1", part=1),
        make_reply(4, "```sql\nselect 1", part=2),
        make_reply(5, "words", part=3),
        make_message(6, "thanks"),
    )
    found = build_conversation(messages, until=message_ts(6), identity=BOT_IDENTITY, names={})

    assert found[1].text == "```python\na = 1\n```\n\n```sql\nselect 1\n```\n\nwords"


def test_empty_messages_are_left_out_but_never_the_question() -> None:
    """A picture without words is no turn; the message that asks always is the last one."""
    messages = parse_messages(make_message(1, " "), make_message(2, MENTION))

    assert list_turns(
        build_conversation(messages, until=message_ts(2), identity=BOT_IDENTITY, names={})
    ) == [(None, "")]


def test_what_was_told_to_the_bot_itself_is_no_turn() -> None:
    """`follow` and an empty mention are for the bot; the same words without it are for people."""
    messages = parse_messages(
        make_message(1, f"{MENTION} follow"),
        make_message(2, f"{MENTION}"),
        make_message(3, "help"),
        make_message(4, f"{MENTION} what is a mutex?"),
    )

    found = build_conversation(messages, until=message_ts(4), identity=BOT_IDENTITY, names={})
    assert [turn.text for turn in found] == ["help", "what is a mutex?"]


def test_attached_files_are_named() -> None:
    """The model is told that there was a file, since it cannot see it."""
    messages = parse_messages(make_message(1, f"{MENTION} why?", files=[{"name": "error.log"}]))

    assert list_turns(
        build_conversation(messages, until=message_ts(1), identity=BOT_IDENTITY, names={})
    ) == [(None, "why?\n(attached file: error.log)")]


def test_people_are_counted_without_bots() -> None:
    """The bot follows while one person writes, however many bots do."""
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
def test_the_question_always_comes_last(
    messages: list[tuple[str, str]], data: st.DataObject
) -> None:
    """In any order of messages the turns stand in order of time and end with the question."""
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
def test_what_does_not_fit_is_left_out_from_the_oldest_side(said: list[str], most: int) -> None:
    """The kept turns are the newest ones, within the limit unless the question alone is longer."""
    turns = tuple(
        Turn(speaker=Speaker.USER, text=text, ts=message_ts(number))
        for number, text in enumerate(said)
    )
    kept = truncate_oldest(turns, most)
    size = sum(len(turn.model_dump_json().encode()) for turn in kept)

    assert kept == turns[len(turns) - len(kept) :]
    assert len(kept) == 1 or (kept and size <= most)


def test_the_last_turn_stays_and_older_ones_while_there_is_room() -> None:
    """Two of three fit where the limit is that of two."""
    turns = tuple(Turn(speaker=Speaker.USER, text="x" * 100, ts=message_ts(n)) for n in range(3))
    size = len(turns[0].model_dump_json().encode())

    assert truncate_oldest(turns, 2 * size) == turns[1:]
    assert truncate_oldest(turns, 1) == turns[2:]
