"""Masked messages: a secret leaves a message as it is read, before anything is stored."""

from typing import Any, Final

import pytest

from bot.handlers.asks.form import parse_submission
from bot.messages.event_parser import parse_event
from bot.messages.events import MessageChanged, MessagePosted
from bot.messages.message import Message
from contract.masking import SecretKind
from fakeslack.block_kit.text_blocks import build_text_block
from testing.secret_samples import SampleMaker
from testing.slack_events import (
    ADA,
    BOT_IDENTITY,
    CHANNEL,
    MENTION,
    make_body,
    make_message,
    make_reply,
    message_ts,
)

AWS_KEY: Final = SampleMaker().draw_secret("AK~IA[U16]")
OTHER_KEY: Final = SampleMaker(1).draw_secret("AK~IA[U16]")
MASKED_KEY: Final = "&lt;secret:aws-key:1&gt;"
SNIPPET: Final[dict[str, Any]] = {
    "id": "F1",
    "name": "a.py",
    "mode": "snippet",
    "filetype": "python",
    "preview": f"id = '{AWS_KEY}'",
}
FORWARD: Final = {"is_share": True, "text": f"he said {AWS_KEY}"}


@pytest.mark.parametrize(
    "message",
    [
        make_message(2, f"{MENTION} why does {AWS_KEY} fail?"),
        make_message(2, "", blocks=[build_text_block(f"{MENTION}\n```id = {AWS_KEY}```")]),
        make_message(2, f"{MENTION} this?", attachments=[FORWARD]),
        make_message(2, f"{MENTION} this?", files=[SNIPPET]),
        make_message(2, f"{MENTION} this?", bot_id="B9", subtype="bot_message", files=[SNIPPET]),
        make_reply(2, f"It is {AWS_KEY}."),
    ],
    ids=["text", "blocks", "forward", "snippet", "bot", "reply"],
)
def test_no_part_of_a_message_keeps_a_secret(message: dict[str, Any]) -> None:
    """Text, blocks, attachments and previews of files are masked; the kinds stay."""
    found = Message.from_slack(message, BOT_IDENTITY)

    assert found is not None
    assert AWS_KEY not in found.model_dump_json()
    assert "secret:aws-key:1" in found.model_dump_json()
    assert found.masked == (SecretKind.AWS_KEY,)


def test_question_is_masked() -> None:
    """The event that the inbox stores holds the mask alone, as escaped text."""
    found = parse_event(make_body(make_message(1, f"{MENTION} {AWS_KEY}")), BOT_IDENTITY)

    assert isinstance(found, MessagePosted)
    assert AWS_KEY not in found.model_dump_json()
    assert found.text == f"{MENTION} {MASKED_KEY}"


def test_another_secret_in_the_same_place_is_no_edit() -> None:
    """Masked texts are compared, so that only an edit of other words asks again."""
    before, after = (
        make_message(2, f"{MENTION} {AWS_KEY}"),
        make_message(2, f"{MENTION} {OTHER_KEY}"),
    )
    event = {
        "type": "message",
        "subtype": "message_changed",
        "channel": CHANNEL,
        "ts": message_ts(9),
        "message": {**after, "edited": {"user": ADA, "ts": message_ts(9)}},
        "previous_message": before,
    }
    found = parse_event(make_body(event), BOT_IDENTITY)

    assert isinstance(found, MessageChanged)
    assert (found.is_edit, found.is_unfurl) == (False, False)


def test_long_preview_stays_within_its_bound() -> None:
    """Masks may be longer than the secrets that they replace."""
    preview = 'password="Sup3r!pw1" ' * 200
    found = Message.from_slack(
        make_message(2, "hi", files=[{**SNIPPET, "preview": preview}]), BOT_IDENTITY
    )

    assert found is not None
    assert "Sup3r" not in found.model_dump_json()
    assert Message.model_validate_json(found.model_dump_json()) == found


def test_form_is_masked() -> None:
    """A question of the form becomes a masked request."""
    body = {
        "view": {
            "id": "V1",
            "private_metadata": f'["{CHANNEL}", "{message_ts(1)}", "{message_ts(1)}"]',
            "state": {"values": {"question": {"value": {"value": f"why {AWS_KEY}?"}}}},
        },
        "user": {"id": ADA, "team_id": BOT_IDENTITY.team},
    }

    assert parse_submission(body, BOT_IDENTITY).question == "why <secret:aws-key:1>?"
