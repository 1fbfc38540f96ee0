"""Stored conversation: what the model read, without Slack's ids and markup."""

from bot.messages.message import Message
from bot.messages.votes.stored_conversation import describe_conversation
from testing.slack_events import (
    ADA,
    BOT_IDENTITY,
    LIN,
    MENTION,
    make_message,
    make_reply,
    message_ts,
)

SAM = "U0SAM00001"


def describe(*raw: dict[str, object]) -> list[tuple[str, str]]:
    """Return name and text of each stored turn up to the last message."""
    messages = [found for one in raw if (found := Message.from_slack(one, BOT_IDENTITY))]
    until = max(message.ts for message in messages if message.question_ts is None)
    turns = describe_conversation(messages, until=until, identity=BOT_IDENTITY)
    return [(turn.get("user", turn["role"]), turn["text"]) for turn in turns]


def test_question_is_stored_as_the_model_read_it() -> None:
    """Without the mention of the bot, with signs as they were typed and people by number."""
    text = f"{MENTION} why is `a &lt; b`? <@{LIN}> wrote <https://example.com/x|the docs>"

    assert describe(make_message(1, text)) == [
        ("User 1", "why is `a < b`? @User 2 wrote the docs (https://example.com/x)")
    ]


def test_commands_are_left_out_and_replies_follow_their_questions() -> None:
    """A number is a person's in the whole conversation, the bot keeps its name."""
    found = describe(
        make_message(1, f"{MENTION} follow", user=SAM),
        make_message(2, f"{MENTION} why?"),
        make_message(3, f"ask <@{ADA}> or <@{SAM}|sam>, not {MENTION}", user=LIN),
        make_reply(4, "Because.", question=message_ts(2)),
        make_message(5, f"{MENTION} really?"),
    )

    assert found == [
        ("User 2", "why?"),
        ("assistant", "Because."),
        ("User 3", f"ask @User 2 or @User 1, not @{BOT_IDENTITY.name}"),
        ("User 2", "really?"),
    ]
