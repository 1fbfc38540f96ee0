"""Asked messages: questions that the bot has posted for people, literal and attributed."""

from functools import partial
from typing import Any

import pytest

from bot.messages.admission import Policy, Verdict, admit
from bot.messages.asks.ask_request import AskKind, AskRequest
from bot.messages.asks.asked_message import AskedMessage, build_text, name_shared_request
from bot.messages.conversation import build_conversation
from bot.messages.event_parser import parse_event
from bot.messages.events import MessagePosted
from bot.messages.message import AuthorKind, Message
from contract.job import Thread
from testing.slack_events import (
    ADA,
    BOT_IDENTITY,
    CHANNEL,
    LIN,
    make_body,
    make_message,
    make_message_event,
    message_ts,
)

QUESTION = "Why? <@U0LIN00001> &lt; *b*\n```x```"
TEAM = BOT_IDENTITY.team
REQUEST = AskRequest(
    id="V1",
    kind=AskKind.ABOUT,
    team=TEAM,
    channel=CHANNEL,
    thread_ts=message_ts(1),
    about=message_ts(1),
    user=ADA,
    user_team=TEAM,
    question=QUESTION,
)


def make_asked(number: int = 3, **more: Any) -> dict[str, Any]:
    """Return the message that the bot posts for a request."""
    asked = REQUEST.asked_message.model_copy(update=more)
    values = {
        "name": build_text("Ada", is_bold=True),
        "message": build_text("this", link="http://x"),
    }
    return make_message(
        number,
        "Ada: Why?",
        user=BOT_IDENTITY.user_id,
        bot_id=BOT_IDENTITY.bot_id,
        thread_ts=message_ts(1),
        blocks=[{"type": "divider"}, asked.build_block("{name} asks about {message}:", values)],
    )


def test_posted_question_is_read_back_word_for_word() -> None:
    """Who asked, and what, come from the block alone."""
    raw = make_asked()
    assert AskedMessage.from_slack(raw) == REQUEST.asked_message
    assert raw["blocks"][1]["elements"][0]["elements"] == [
        {"type": "text", "text": "Ada", "style": {"bold": True}},
        {"type": "text", "text": " asks about "},
        {"type": "link", "url": "http://x", "text": "this"},
        {"type": "text", "text": ":"},
    ]

    unrelated = AskedMessage.from_slack(make_asked(about=""))
    assert unrelated is not None
    assert unrelated.about == ""


@pytest.mark.parametrize(
    "block_id",
    [
        "",
        "asked",
        "asked V1 U1 T1",
        "asked V1 U1 T1 now",
        "asked V1 U/1 T1 -",
        f"asked {'V' * 300}",
    ],
)
def test_other_block_is_no_question(block_id: str) -> None:
    """A block of another form is read as the bot's own words."""
    raw = make_asked()
    raw["blocks"][1]["block_id"] = block_id

    assert AskedMessage.from_slack(raw) is None
    assert Message.from_slack(raw, BOT_IDENTITY) is None


def test_posted_question_is_the_persons() -> None:
    """Its event asks, and mentions the bot, with any text."""
    post = parse_event(make_body(make_asked(user_team="T0OTHER001")), BOT_IDENTITY)
    assert isinstance(post, MessagePosted)

    assert (post.author, post.author_team) == (ADA, "T0OTHER001")
    assert (post.can_ask, post.is_own, post.is_external) == (True, False, True)
    assert post.mentions == {BOT_IDENTITY.user_id}
    assert post.bot_ids == frozenset()
    assert post.message is not None
    assert post.message.kind is AuthorKind.PERSON


def test_same_block_of_another_author_is_no_question() -> None:
    """Only the bot's own messages are believed."""
    raw = make_asked() | {"bot_id": "B0OTHER", "user": LIN}
    post = parse_event(make_body(raw), BOT_IDENTITY)

    assert isinstance(post, MessagePosted)
    assert post.author == LIN
    assert post.bot_ids


def build_texts(*raw: dict[str, Any], until: int) -> list[str]:
    """Return the texts of a conversation's turns."""
    messages = [m for one in raw if (m := Message.from_slack(one, BOT_IDENTITY)) is not None]
    turns = build_conversation(
        messages, until=message_ts(until), identity=BOT_IDENTITY, names={ADA: "Ada", LIN: "Lin"}
    )
    return [turn.text for turn in turns]


def test_model_learns_which_message_is_meant() -> None:
    """One earlier message needs no pointer, several do; a missing one has none."""
    root, second = make_message(1, "one &lt; two", user=LIN), make_message(2, "two", user=LIN)

    assert build_texts(root, make_asked(), until=3) == ["one < two", QUESTION]
    texts = build_texts(root, second, make_asked(), until=3)
    assert texts[-1] == f'(about the message "one < two")\n{QUESTION}'
    assert build_texts(root, second, make_asked(about=message_ts(9)), until=3)[-1] == QUESTION
    blank = make_message(1, " ", user=LIN)
    assert build_texts(blank, second, make_asked(), until=3)[-1] == QUESTION


def test_request_survives_redis() -> None:
    """A malformed one is none."""
    assert AskRequest.from_json(REQUEST.model_dump_json()) == REQUEST
    assert AskRequest.from_json("{}") is None


def test_shared_question_names_the_thread_of_its_answer() -> None:
    """Only an identity of that form leads to a direct message."""
    request = name_shared_request("D0ADA", "1700000001.000100")
    shared = REQUEST.asked_message.model_copy(update={"request": request})
    assert shared.find_shared(TEAM) == Thread(team=TEAM, channel="D0ADA", ts="1700000001.000100")
    assert REQUEST.asked_message.find_shared(TEAM) is None

    post = parse_event(make_body(make_asked(request=request, about="")), BOT_IDENTITY)
    assert isinstance(post, MessagePosted)
    assert post.shared_thread == shared.find_shared(TEAM)
    assert make_message_event().shared_thread is None


def test_question_of_a_form_is_no_command() -> None:
    """The word alone asks what it means; an outsider stays one."""
    post = parse_event(make_body(make_asked(question="stop")), BOT_IDENTITY)
    assert isinstance(post, MessagePosted)
    decide = partial(admit, identity=BOT_IDENTITY, policy=Policy(), mode=None, num_people=None)

    assert decide(post) is Verdict.ANSWER
    assert decide(post.model_copy(update={"is_external": True})) is Verdict.OUTSIDER


def test_thread_of_a_request_begins_with_it_or_above() -> None:
    """A root is its own thread."""
    assert REQUEST.find_thread("9.0").ts == message_ts(1)
    assert REQUEST.model_copy(update={"thread_ts": ""}).find_thread("9.0").ts == "9.0"
