"""A conversation as both processes see it: who said what, ending with the message that asks."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Speaker(StrEnum):
    """Which side of the conversation a turn belongs to."""

    USER = "user"
    ASSISTANT = "assistant"


class Turn(BaseModel):
    """
    One thing one side said, as plain text.

    `ts` is Slack's timestamp of the message. For a person `name` is how Slack shows them;
    for the assistant `answers` is the `ts` of the turn it replied to, so that an answer stays
    beside its question even where a later question was posted before it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    speaker: Speaker
    text: str
    ts: str
    name: str | None = None
    in_reply_to: str | None = None

    @property
    def sort_key(self) -> tuple[str, bool]:
        """Where the turn stands in its thread: an answer right after the turn it answers."""
        if self.speaker is Speaker.ASSISTANT and self.in_reply_to is not None:
            return self.in_reply_to, True
        return self.ts, self.speaker is Speaker.ASSISTANT


Conversation = tuple[Turn, ...]


def order_turns(turns: Conversation, *, until: str) -> Conversation:
    """
    Return the turns up to the one posted at `until`, each answer right behind its question.

    Slack's timestamps have a fixed width, so their order as text is their order in time.
    """
    return tuple(
        sorted((t for t in turns if t.sort_key <= (until, False)), key=lambda t: t.sort_key)
    )
