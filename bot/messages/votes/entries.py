"""Entries of the outbox of votes, as Redis keeps them until the database has them."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bot.messages.events import Timestamp
from bot.messages.votes.presses import Press
from contract.job import SLACK_ID_PATTERN

MAX_ENTRY_CHARACTERS: Final = 2_000
"""Longest entry as JSON."""
VERSION_PATTERN: Final = r"^[0-9a-f]{0,16}$"
"""Id of a version of a reply; empty for a reply without one."""

Id = Annotated[str, Field(pattern=SLACK_ID_PATTERN, max_length=64)]
Version = Annotated[str, Field(pattern=VERSION_PATTERN)]


class CastVote(BaseModel):
    """
    Press of a person on a reply, as the outbox keeps it.

    `thread_ts` is empty and `version` is `None` where Slack does not tell them. `queued_at` is the
    time of acceptance (s, Redis' clock).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["vote"] = "vote"
    channel: Id
    thread_ts: Timestamp | Literal[""]
    message_ts: Timestamp
    version: Version | None
    user: Id
    press: Press
    queued_at: float = Field(ge=0, allow_inf_nan=False)


class DropRecords(BaseModel):
    """
    Deletion of what is stored of a team, a channel, a thread or a message, in the outbox.

    With `texts_only`, the votes of the thread stay and lose their texts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["drop"] = "drop"
    channel: Id | None = None
    thread_ts: Timestamp | None = None
    message_ts: Timestamp | None = None
    texts_only: bool = False
    queued_at: float = Field(ge=0, allow_inf_nan=False)


OutboxEntry = CastVote | DropRecords
_ENTRY: Final[TypeAdapter[OutboxEntry]] = TypeAdapter(
    Annotated[OutboxEntry, Field(discriminator="type")]
)


def decode_entry(text: str) -> OutboxEntry:
    """Parse an entry of the outbox. Raises `ValueError`, which quotes nothing."""
    try:
        if len(text) <= MAX_ENTRY_CHARACTERS:
            return _ENTRY.validate_json(text)
    except ValidationError:
        pass
    raise ValueError("not an entry of the outbox")
