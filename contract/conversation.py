"""A conversation: the turns of a Slack thread, in order, up to the question."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from contract.attached_files import FileReference


class Speaker(StrEnum):
    """Side of the conversation that a turn belongs to."""

    USER = "user"
    ASSISTANT = "assistant"


class Turn(BaseModel):
    """
    One message of a conversation, as plain text.

    `ts` is Slack's timestamp of the message. For a user `name` is the display name. For the
    assistant `in_reply_to` is the `ts` of the turn that it answers, so that an answer follows its
    question even if a later question was posted in between. `files` are those that a worker may
    read. `text` names the `files_left_out`, which exceed the bound of the thread.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    speaker: Speaker
    text: str
    ts: str
    name: str | None = None
    in_reply_to: str | None = None
    files: tuple[FileReference, ...] = ()
    files_left_out: int = Field(default=0, ge=0)

    @property
    def sort_key(self) -> tuple[str, bool]:
        """Position of the turn in its conversation: an answer follows the turn it answers."""
        if self.speaker is Speaker.ASSISTANT and self.in_reply_to is not None:
            return self.in_reply_to, True
        return self.ts, self.speaker is Speaker.ASSISTANT


Conversation = tuple[Turn, ...]


def order_turns(turns: Conversation, *, until: str) -> Conversation:
    """
    Return the turns up to the one posted at `until`, each answer right after its question.

    Slack's timestamps have a fixed width, so their order as text is their order in time.
    """
    return tuple(
        sorted((t for t in turns if t.sort_key <= (until, False)), key=lambda t: t.sort_key)
    )
