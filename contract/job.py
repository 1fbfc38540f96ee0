"""Job payload: one question with its conversation, sent from the bot to the worker through RQ."""

from enum import StrEnum
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from contract.attached_files import MAX_FILES_PER_THREAD
from contract.conversation import Conversation, Speaker, Turn
from contract.earlier_answer import EarlierAnswer
from contract.language import Language
from contract.reply_rules import NO_RULES, ReplyRules
from contract.rework import Rework

QUEUE_NAME: Final = "starchat"
"""The only RQ queue: RQ loses jobs of a dead worker if that worker listens to several queues."""

FUNCTION_NAME: Final = "starchat.reply"
"""The function name that RQ's tools show. It names no Python object and is never imported."""

JOB_DESCRIPTION: Final = "turn"
"""RQ's job description. It is constant: RQ's default would put the arguments into every log."""

EVERY_SCOPE: Final = ""
"""What a worker forgets when it may have missed which scope was meant."""

MAX_JOB_BYTES: Final = 256 * 1024
"""A longer payload is rejected without being parsed."""

MAX_DECOMPRESSED_BYTES: Final = 4 * MAX_JOB_BYTES
"""Bound for RQ's job data: it holds the payload's JSON as a JSON string, with escapes."""

SLACK_ID_PATTERN: Final = r"^[A-Za-z0-9]+$"
"""A Slack id. RQ allows only letters, digits, `_` and `-` in a job id."""

TIMESTAMP_PATTERN: Final = r"^[0-9]+\.[0-9]+$"
"""Slack's timestamp of a message."""


class BadJobError(ValueError):
    """The payload is not a valid job. The message never quotes the payload."""


class Streaming(StrEnum):
    """How readers see a reply in progress: edits of one message, or only the finished reply."""

    EDITS = "edits"
    OFF = "off"


class Thread(BaseModel):
    """A Slack thread: team, channel, and the `ts` of its root message."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    team: str = Field(pattern=SLACK_ID_PATTERN)
    channel: str = Field(pattern=SLACK_ID_PATTERN)
    ts: str = Field(pattern=TIMESTAMP_PATTERN)


class Job(BaseModel):
    """One question and the conversation up to it. `ts` is the message that asks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    thread: Thread
    ts: str = Field(pattern=TIMESTAMP_PATTERN)
    user: str = Field(pattern=SLACK_ID_PATTERN)
    user_team: str = Field(pattern=SLACK_ID_PATTERN)
    """The user's own team: in a shared channel, not the team in which the bot is installed."""
    turns: Conversation
    streaming: Streaming = Streaming.EDITS
    rules: ReplyRules = Field(default=NO_RULES, exclude_if=lambda rules: rules == NO_RULES)
    """The channel's rules. Left out if there are none, because older workers know no rules."""

    rework: Rework | None = Field(default=None, exclude_if=lambda rework: rework is None)
    """What to do with the finished reply. Left out for a question, as older workers expect."""

    presser: str | None = Field(
        default=None, pattern=SLACK_ID_PATTERN, exclude_if=lambda presser: presser is None
    )
    """Who asked for the rework, unless the user did. Left out if there is none."""

    earlier_answer: EarlierAnswer | None = Field(
        default=None, exclude_if=lambda earlier: earlier is None
    )
    """An answer to a like question, which the reply points to. Left out if there is none."""

    is_public: bool = Field(default=False, exclude_if=lambda is_public: not is_public)
    """Whether a full member asks where all of them can read, and no other organization can."""

    language: Language = Field(
        default=Language.ENGLISH, exclude_if=lambda language: language is Language.ENGLISH
    )
    """Language of our sentences in the thread. Left out if English, as older workers expect."""

    @model_validator(mode="after")
    def _require_question_last(self) -> Self:
        if not self.turns or self.question.speaker is not Speaker.USER:
            raise ValueError("the last turn must be a user's question")
        if sum(len(turn.files) for turn in self.turns) > MAX_FILES_PER_THREAD:
            raise ValueError(f"a job refers to at most {MAX_FILES_PER_THREAD} files")
        return self

    @property
    def question(self) -> Turn:
        """The turn to answer."""
        return self.turns[-1]

    @property
    def charged_user(self) -> str:
        """The user whose use counts what the engine does for this job."""
        return self.presser or self.user

    @property
    def id(self) -> str:
        """RQ's id of this job, derived from the message: a message is enqueued only once."""
        return job_id(self.thread.team, self.thread.channel, self.ts)

    def to_json(self) -> str:
        """Serialize the job as JSON text."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, payload: object) -> Self:
        """Parse what `to_json` returned. Raises `BadJobError`, which quotes nothing."""
        if not isinstance(payload, str) or len(payload.encode("utf-8", "replace")) > MAX_JOB_BYTES:
            raise BadJobError(f"not a job: not text, or longer than {MAX_JOB_BYTES} bytes")
        try:
            return cls.model_validate_json(payload)
        except ValidationError as error:
            fields = ", ".join(sorted({_describe_field(details) for details in error.errors()})[:8])
        raise BadJobError(f"not a job: {fields}")


def _describe_field(error: ErrorDetails) -> str:
    """Return which field is invalid; hide the name of an unknown field, which may be user text."""
    loc = error["loc"]
    if error["type"] == "extra_forbidden":
        return ".".join([*map(str, loc[:-1]), "an unknown field"])
    return ".".join(map(str, loc)) or "job"


def job_id(team: str, channel: str, ts: str) -> str:
    """Return the RQ id of a message's job: RQ does not accept the dot in Slack's `ts`."""
    return f"{team}-{channel}-{ts.replace('.', '-')}"


def prefix_scope(team: str, *address: str) -> str:
    """Return the engine's scope of a team, of a channel in it, or of a thread in the channel."""
    return "/".join((team, *address))
