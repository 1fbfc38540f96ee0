"""What travels from the bot to the worker: one turn to answer, named after its Slack message."""

from enum import StrEnum
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from contract.conversation import Conversation, Speaker, Turn

QUEUE_NAME: Final = "starchat"
"""The one RQ queue. One, because RQ loses jobs of a dead worker when it listens to several."""

FUNCTION_NAME: Final = "starchat.reply"
"""What RQ's tools show as the function. It names no Python object and is never imported."""

JOB_DESCRIPTION: Final = "turn"
"""RQ's job description: constant, since the default would repeat the arguments in every log."""

MAX_JOB_BYTES: Final = 256 * 1024
"""A longer payload is no job of ours and is set aside unread."""

MAX_DECOMPRESSED_BYTES: Final = 4 * MAX_JOB_BYTES
"""Bytes of a job as RQ packs it: its JSON once more as JSON, so that signs become escapes."""

SLACK_ID_PATTERN: Final = r"^[A-Za-z0-9]+$"
"""What a Slack id looks like. RQ allows letters, digits, `_` and `-` in a job id."""

TIMESTAMP_PATTERN: Final = r"^[0-9]+\.[0-9]+$"
"""What Slack's timestamp of a message looks like."""


class BadJobError(ValueError):
    """A payload that is not a job; its text never shows what was in it."""


class Streaming(StrEnum):
    """How readers see a reply grow: paced edits, or only the final text."""

    EDITS = "edits"
    OFF = "off"


class Thread(BaseModel):
    """Where a conversation takes place: a team's channel and the `ts` of the thread's root."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    team: str = Field(pattern=SLACK_ID_PATTERN)
    channel: str = Field(pattern=SLACK_ID_PATTERN)
    ts: str = Field(pattern=TIMESTAMP_PATTERN)


class Job(BaseModel):
    """One turn to answer, with the conversation up to it. `ts` is the message that asks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    thread: Thread
    ts: str = Field(pattern=TIMESTAMP_PATTERN)
    user: str = Field(pattern=SLACK_ID_PATTERN)
    user_team: str = Field(pattern=SLACK_ID_PATTERN)
    """The asker's own team: in a shared channel not the team the bot is installed in."""
    turns: Conversation
    streaming: Streaming = Streaming.EDITS

    @model_validator(mode="after")
    def _require_question_last(self) -> Self:
        if not self.turns or self.question.speaker is not Speaker.USER:
            raise ValueError("a conversation ends with the turn that asks")
        return self

    @property
    def question(self) -> Turn:
        """The turn to answer."""
        return self.turns[-1]

    @property
    def id(self) -> str:
        """RQ's id of this job: the same message always gives the same id."""
        return job_id(self.thread.team, self.thread.channel, self.ts)

    def to_json(self) -> str:
        """Return the job as JSON text."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, payload: object) -> Self:
        """Read what `encode` wrote. Anything else raises `BadJobError`, which quotes nothing."""
        if not isinstance(payload, str) or len(payload.encode("utf-8", "replace")) > MAX_JOB_BYTES:
            raise BadJobError("not a job: not text, or longer than a job may be")
        try:
            return cls.model_validate_json(payload)
        except ValidationError as error:
            fields = ", ".join(sorted({_describe_field(found) for found in error.errors()})[:8])
        raise BadJobError(f"not a job: {fields}")


def _describe_field(error: ErrorDetails) -> str:
    """Return which field is wrong; what a field of nobody's is called may be anybody's text."""
    loc = error["loc"]
    if error["type"] == "extra_forbidden":
        return ".".join([*map(str, loc[:-1]), "an unknown field"])
    return ".".join(map(str, loc)) or "job"


def job_id(team: str, channel: str, ts: str) -> str:
    """Return the RQ id for a message: RQ refuses the dot in Slack's `ts`."""
    return f"{team}-{channel}-{ts.replace('.', '-')}"
