"""Pure: what Slack says when somebody presses a button of ours, read once into our own types."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from bot.messages.events import Ignored, SlackId, Timestamp
from bot.messages.identity import BotIdentity
from contract.job import Thread

Json = Mapping[str, Any]

ANSWER_AGAIN_ACTION_ID: Final = "answer_again"
"""The `action_id` of the button under which an edited question is answered again."""


class ReanswerRequested(BaseModel):
    """A person wants a new answer to a question that was edited; `version` names the edit."""

    model_config = ConfigDict(frozen=True)

    thread: Thread
    ts: Timestamp
    version: Timestamp
    user: SlackId
    user_team: SlackId
    response_url: str


def parse_block_action(body: Json, identity: BotIdentity) -> ReanswerRequested | Ignored:
    """Read the body of a `block_actions`; what is none of our buttons is `Other`."""
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
            user_team=body["user"].get("team_id") or identity.team,
            response_url=body["response_url"],
        )
    except (ValidationError, LookupError, TypeError, ValueError, AttributeError):
        return Ignored(readable=False)
