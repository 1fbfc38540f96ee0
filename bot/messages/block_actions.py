"""Pure: what Slack says when somebody presses a button of ours, read once into our own types."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from bot.messages.events import Id, Other, Timestamp
from bot.messages.identity import Me
from contract.job import Thread

Json = Mapping[str, Any]

ANSWER_AGAIN: Final = "answer_again"
"""The `action_id` of the button under which an edited question is answered again."""


class AskedAgain(BaseModel):
    """A person wants a new answer to a question that was edited; `version` names the edit."""

    model_config = ConfigDict(frozen=True)

    thread: Thread
    ts: Timestamp
    version: Timestamp
    user: Id
    user_team: Id
    answer_to: str


def read(body: Json, me: Me) -> AskedAgain | Other:
    """Read the body of a `block_actions`; what is none of our buttons is `Other`."""
    try:
        action = body["actions"][0]
        if action["action_id"] != ANSWER_AGAIN:
            return Other()
        root, ts, version = action["value"].split(" ")
        return AskedAgain(
            thread=Thread(team=me.team, channel=body["channel"]["id"], ts=root),
            ts=ts,
            version=version,
            user=body["user"]["id"],
            user_team=body["user"].get("team_id") or me.team,
            answer_to=body["response_url"],
        )
    except (ValidationError, LookupError, TypeError, ValueError, AttributeError):
        return Other(readable=False)
