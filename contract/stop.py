"""Stop of a reply: its button, and the record of the person who stopped a job."""

from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contract.job import SLACK_ID_PATTERN
from contract.texts import ANY_ADMINISTRATOR, ASKER_WITHOUT_NAME, STOP_BUTTON

STOP_ACTION_ID: Final = "stop_reply"
"""`action_id` of the button that stops a reply."""
MAX_NAME_CHARACTERS: Final = 80
"""Maximum length of a name below a reply."""
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

    def label_for(self, asker: str) -> str:
        """Return how a sentence names the person, if `asker` is the user who asked."""
        # Line ends, control and bidirectional characters could change the sentence.
        shown = "".join(sign if sign.isprintable() else " " for sign in self.name)
        name = " ".join(shown.split())[:MAX_NAME_CHARACTERS]
        return name or (ASKER_WITHOUT_NAME if self.user == asker else ANY_ADMINISTRATOR)


def build_stop_block(thread_ts: str, ts: str) -> dict[str, Any]:
    """Return the block with the button that stops the reply to the question at `ts`."""
    button = {
        "type": "button",
        "action_id": STOP_ACTION_ID,
        "text": {"type": "plain_text", "text": STOP_BUTTON},
        "value": f"{thread_ts} {ts}",
        "accessibility_label": "Stop this reply",
    }
    return {"type": "actions", "elements": [button]}
