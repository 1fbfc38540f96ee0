"""Form that asks for the reason of a 👎: a modal, and the answer that comes back."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from bot import texts
from bot.messages.block_actions import VoteRequested
from bot.messages.content.json_fields import Json
from bot.messages.events import Timestamp
from bot.messages.message import BotIdentity
from bot.messages.votes.entries import Id, Version
from bot.messages.votes.presses import Reason
from contract.job import Thread
from contract.language import Language, Translatable
from contract.reply_controls import NO_VERSION

REASON_CALLBACK_ID: Final = "vote_reason"
"""`callback_id` of the modal."""
BLOCK_ID: Final = "reason"
ACTION_ID: Final = "choice"


class ReasonGiven(BaseModel):
    """Reason of `user` for the 👎 that was pressed at `pressed_at`."""

    model_config = ConfigDict(frozen=True)

    thread: Thread
    message_ts: Timestamp
    version: Version
    pressed_at: Timestamp
    user: Id
    reason: Reason


def build_reason_form(request: VoteRequested, language: Language) -> dict[str, Any]:
    """Return the modal for a 👎."""
    thread, version = request.thread, request.version or NO_VERSION
    address = (thread.channel, thread.ts, request.message_ts, version, request.pressed_at)
    options = [
        {"text": _plain_text(texts.VOTE_REASONS[reason.value], language), "value": reason.value}
        for reason in Reason
    ]
    choice = {"type": "radio_buttons", "action_id": ACTION_ID, "options": options}
    return {
        "type": "modal",
        "callback_id": REASON_CALLBACK_ID,
        "private_metadata": " ".join(address),
        "title": _plain_text(texts.REASON_TITLE, language),
        "submit": _plain_text(texts.REASON_SUBMIT, language),
        "close": _plain_text(texts.REASON_CLOSE, language),
        "blocks": [
            {
                "type": "input",
                "block_id": BLOCK_ID,
                "label": _plain_text(texts.REASON_QUESTION, language),
                "element": choice,
            },
            *texts.context_blocks(texts.REASON_NOTE.translate(language)),
        ],
    }


def parse_reason(body: Json, identity: BotIdentity) -> ReasonGiven | None:
    """Parse a `view_submission` body; `None` if it is malformed."""
    try:
        view = body["view"]
        channel, root, message_ts, version, pressed_at = view["private_metadata"].split(" ")
        chosen = view["state"]["values"][BLOCK_ID][ACTION_ID]["selected_option"]["value"]
        return ReasonGiven(
            thread=Thread(team=identity.team, channel=channel, ts=root),
            message_ts=message_ts,
            version="" if version == NO_VERSION else version,
            pressed_at=pressed_at,
            user=body["user"]["id"],
            reason=chosen,
        )
    except (ValidationError, LookupError, TypeError, ValueError, AttributeError):
        return None


def _plain_text(words: Translatable, language: Language) -> dict[str, str]:
    return {"type": "plain_text", "text": words.translate(language)}
