"""Stop of a reply: its button, and the record of the person who stopped a job."""

from collections.abc import Mapping
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contract.job import SLACK_ID_PATTERN
from contract.language import Language, Translatable
from contract.texts import (
    ANY_ADMINISTRATOR,
    ASKER_WITHOUT_NAME,
    COLLEAGUE_WITHOUT_NAME,
    STOP_BUTTON,
    STOP_LABEL,
)

STOP_ACTION_ID: Final = "stop_reply"
"""`action_id` of the button that stops a reply."""
MAX_NAME_CHARACTERS: Final = 80
"""Maximum length of a name below a reply."""
GROWING_STATE: Final = "growing"
"""State of a reply in progress, as its metadata says."""
UNKNOWN_USER: Final = "UNKNOWN"
"""User of a record that is malformed: the job stays stopped."""


class StopRecord(BaseModel):
    """Person who stopped a job: the user id, and the display name if it was known."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    user: str = Field(pattern=SLACK_ID_PATTERN, max_length=64)
    name: str = Field(default="", max_length=1000)

    def to_json(self) -> str:
        """Serialize the record as JSON text."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parse what `to_json` returned; a malformed text becomes a record without a name."""
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            return cls(user=UNKNOWN_USER)

    def label_for(self, asker: str, charged_user: str) -> str | Translatable:
        """Return how a sentence names the person, by who asked and whose quota counts the job."""
        # Line ends, control and bidirectional characters could change the sentence.
        shown = "".join(sign if sign.isprintable() else " " for sign in self.name)
        name = " ".join(shown.split())[:MAX_NAME_CHARACTERS]
        roles = {charged_user: COLLEAGUE_WITHOUT_NAME, asker: ASKER_WITHOUT_NAME}
        return name or roles.get(self.user, ANY_ADMINISTRATOR)


def select_text_blocks(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """
    Return the text that a growing reply shows in Slack, as blocks for an edit of it.

    It is what is left of a reply whose worker died. Any other message has none.
    """
    metadata = message.get("metadata")
    payload = metadata.get("event_payload") if isinstance(metadata, dict) else None
    blocks = message.get("blocks")
    is_growing = isinstance(payload, dict) and payload.get("state") == GROWING_STATE
    if not is_growing or not isinstance(blocks, list):
        return []
    return [
        {name: value for name, value in block.items() if name != "block_id"}
        for block in blocks
        if isinstance(block, dict) and block.get("type") == "rich_text"
    ]


def build_stop_block(thread_ts: str, ts: str, language: Language) -> dict[str, Any]:
    """Return the block with the button that stops the reply to the question at `ts`."""
    button = {
        "type": "button",
        "action_id": STOP_ACTION_ID,
        "text": {"type": "plain_text", "text": STOP_BUTTON.translate(language)},
        "value": f"{thread_ts} {ts}",
        "accessibility_label": STOP_LABEL.translate(language),
    }
    return {"type": "actions", "elements": [button]}
