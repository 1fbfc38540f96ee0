"""Slack `block_actions` payloads: a press of the *Answer again* button, parsed into a type."""

from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from bot.messages.content.json_fields import Json, get_text
from bot.messages.events import Ignored, SlackId, Timestamp
from bot.messages.message import BotIdentity, read_slack_id
from contract.job import Thread

ANSWER_AGAIN_ACTION_ID: Final = "answer_again"
"""`action_id` of the button that has an edited question answered again."""


class ReanswerRequested(BaseModel):
    """Request for a new answer to an edited question; `version` identifies the edit."""

    model_config = ConfigDict(frozen=True)

    thread: Thread
    ts: Timestamp
    version: Timestamp
    user: SlackId
    user_team: SlackId
    response_url: str


def parse_block_action(body: Json, identity: BotIdentity) -> ReanswerRequested | Ignored:
    """Parse a `block_actions` body; other buttons and malformed bodies become `Ignored`."""
    try:
        action = body["actions"][0]
        if action["action_id"] != ANSWER_AGAIN_ACTION_ID:
            return Ignored()
        root, ts, version = action["value"].split(" ")
        return ReanswerRequested(
            thread=Thread(team=identity.team, channel=body["channel"]["id"], ts=root),
            ts=ts,
            version=version,
            user=body["user"]["id"],
            user_team=read_slack_id(body["user"].get("team_id")) or identity.team,
            response_url=get_text(body, "response_url"),
        )
    except (ValidationError, LookupError, TypeError, ValueError, AttributeError):
        return Ignored(readable=False)
