"""Forms of input: votes, messages and marked texts, and what makes a line unusable."""

import json
from datetime import UTC, date, datetime
from typing import Any, Final

import pytest

from contract.conversation import Speaker
from finetune.prepare.dialogues import Dialogue, UnusableDialogueError, hash_thread
from finetune.prepare.sources import LineParser
from worker.prompt.chat_format import Message

NOW: Final = datetime(2026, 11, 30, tzinfo=UTC)
VOTED_AT: Final = f"{datetime(2026, 11, 1, tzinfo=UTC).timestamp():.6f}"
MESSAGES: Final = [
    {"role": "user", "content": "What is a mutex?"},
    {"role": "assistant", "content": "A lock."},
]


def _parse(data: object) -> Dialogue:
    return LineParser(365, NOW).parse_line(json.dumps(data).encode())


def _list_texts(dialogue: Dialogue) -> list[tuple[str, str]]:
    return [(str(speaker), text) for speaker, text in dialogue.messages]


def _vote(opinion: str | None = None, *, ran: bool = False, **changes: Any) -> dict[str, Any]:
    return {"user": "U1", "opinion": opinion, "ran": ran, "voted_at": VOTED_AT} | changes


def _export(*votes: Any, **changes: Any) -> dict[str, Any]:
    return {
        "team": "T1",
        "channel": "C1",
        "message_ts": VOTED_AT,
        "version": "a",
        "thread_ts": "1.0",
        "conversation": [
            {"role": "user", "user": "User 1", "text": "First?"},
            {"role": "assistant", "text": "Old."},
            {"role": "user", "user": "User 1", "text": "Second?"},
        ],
        "reply": "New.",
        "model": "m",
        "revision": "r",
        "votes": list(votes),
    } | changes


def test_messages_become_a_dialogue() -> None:
    """The system prompt is apart, turns of one side are joined, an open question is left out."""
    dialogue = _parse(
        {
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "One."},
                {"role": "user", "content": "Two?"},
                {"role": "assistant", "content": "Yes."},
                {"role": "user", "content": "Thanks"},
            ]
        }
    )

    assert dialogue.system == "Be kind."
    assert _list_texts(dialogue) == [("user", "One.\n\nTwo?"), ("assistant", "Yes.")]
    assert [message.role for message in dialogue.role_messages] == ["system", "user", "assistant"]


def test_marked_text_becomes_a_dialogue() -> None:
    """The marks stand anywhere in a line, as in the openassistant-guanaco data."""
    dialogue = _parse({"text": "### Human: What is a mutex?### Assistant: A lock.\n### Human: Ok"})

    assert _list_texts(dialogue) == [("user", "What is a mutex?"), ("assistant", "A lock.")]
    assert dialogue.thread == _parse({"messages": MESSAGES}).thread


def test_thread_of_a_line_is_its_key() -> None:
    """Lines with the same `thread` are of one thread; their beginnings do not matter."""
    assert _parse({"messages": MESSAGES, "thread": "t"}).thread == hash_thread("t")


def test_lone_surrogates_are_replaced() -> None:
    """Each text can be encoded as UTF-8."""
    dialogue = _parse({"messages": [MESSAGES[0], {"role": "assistant", "content": "\ud800!"}]})

    assert dialogue.messages[1] == Message(Speaker.ASSISTANT, "\N{REPLACEMENT CHARACTER}!")


def test_voted_reply_is_learned_alone() -> None:
    """Earlier replies of its thread are context; provenance names the model and the votes."""
    dialogue = _parse(_export(_vote("up"), _vote(ran=True), _vote("down")))

    assert _list_texts(dialogue)[0] == ("user", "First?")
    assert dialogue.learned_texts == ["New."]
    assert dialogue.compared_text == "Second?\nNew."
    assert dialogue.thread == hash_thread("T1/C1/1.0")
    provenance = dialogue.provenance
    assert (provenance.model, provenance.revision) == ("m", "r")
    assert (provenance.approvals, provenance.rejections) == (2, 1)
    assert provenance.delete_after == date(2027, 11, 1)


def test_users_have_the_numbers_of_the_export() -> None:
    """Several users in a thread are told apart without their names or ids."""
    turns = [
        {"role": "user", "user": user, "text": text}
        for user, text in (("User 3", "Why?"), ("User 1", "Ask @User 3."), ("User 3", "Well?"))
    ]

    dialogue = _parse(_export(_vote("up"), conversation=turns))

    assert dialogue.messages[0].text == ("User 3: Why?\n\nUser 1: Ask @User 3.\n\nUser 3: Well?")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ([], "neither votes, messages nor text"),
        ({"text": 1}, "neither votes, messages nor text"),
        ({"text": "no marks"}, "text before the first mark"),
        ({"text": "### Human: a"}, "no answer"),
        ({"text": "### Human: ### Assistant: b"}, "empty turn"),
        ({"messages": []}, "no answer"),
        ({"messages": ["x"]}, "message that is no object"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "unknown role"),
        ({"messages": [{"role": [], "content": "x"}]}, "unknown role"),
        ({"messages": [{"role": "user", "content": None}]}, "turn without a text"),
        ({"messages": [*MESSAGES, {"role": "system", "content": ""}]}, "system turn after"),
        ({"messages": MESSAGES[::-1]}, "answer before the first question"),
        (_export(_vote("down")), "not approved by votes"),
        (_export(), "not approved by votes"),
        (_export(7, "up"), "not approved by votes"),
        (_export(_vote("up"), conversation=None, reply=None), "votes without a stored text"),
        (_export(_vote("up"), conversation=[]), "no question before the reply"),
        (_export(_vote("up"), conversation=["x"]), "no question before the reply"),
        (
            _export(_vote("up"), conversation=[{"role": "user", "user": "U1", "text": "<@U2>?"}]),
            "conversation in Slack's own form",
        ),
        (_export(_vote("up", voted_at="1.5")), "older than the retention of votes"),
        (_export(_vote("up"), message_ts="1.5"), "older than the retention of votes"),
        (_export(_vote("up"), message_ts=None), "vote without a time"),
        (_export(_vote("up", voted_at="x")), "vote without a time"),
        (_export(_vote("up", voted_at="1e300")), "vote without a time"),
        (_export(_vote("up", voted_at="253402300799")), "vote without a time"),
        (_export(_vote("up", voted_at=None)), "vote without a time"),
    ],
)
def test_unusable_line_has_a_reason(data: object, reason: str) -> None:
    """The reason names no text of the line."""
    with pytest.raises(UnusableDialogueError, match=reason):
        _parse(data)


@pytest.mark.parametrize("line", [b"{bad", b"[" * 100_000, b"\xff\xfe\x00", b"1" * 5_000])
def test_line_that_is_no_json_is_unusable(line: bytes) -> None:
    """Deep nesting, wrong bytes and endless numbers end as any other syntax error."""
    with pytest.raises(UnusableDialogueError, match="no JSON"):
        LineParser(365, NOW).parse_line(line)


def test_long_line_is_unusable() -> None:
    """The reader gives no bytes of it."""
    with pytest.raises(UnusableDialogueError, match="line too long"):
        LineParser(365, NOW).parse_line(None)
