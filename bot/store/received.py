"""Received questions: they are accepted, but their threads are not read yet."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bot.messages.events import MessagePosted, SlackId, Timestamp
from bot.rules.channel_rules import ChannelRules
from contract import keys
from contract.job import Thread, job_id
from contract.rework import Rework, ReworkKind


class ReceivedMessage(BaseModel):
    """
    New message. If it `is_undecided`, only its thread or its author show whether it is a question.

    With `check_earlier`, an outage may hide earlier questions of its thread. `rules` are the
    channel's at the acceptance; `None` if they were not read.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["message"] = "message"
    post: MessagePosted
    is_undecided: bool = False
    check_earlier: bool = False
    rules: ChannelRules | None = None

    @property
    def thread(self) -> Thread:
        """Thread of the question."""
        return self.post.thread

    @property
    def ts(self) -> str:
        """Timestamp of the question."""
        return self.post.ts

    @property
    def user(self) -> str:
        """User who asked the question."""
        return self.post.author

    @property
    def charged_user(self) -> str:
        """User whose quota and budget count the question."""
        return self.user

    @property
    def needs_engine(self) -> bool:
        """Whether it costs GPU time: the answer that a person shares is known."""
        return self.post.shared_thread is None

    @property
    def has_reply(self) -> bool:
        """Whether the thread shows a reply to it already."""
        return False

    @property
    def asked_at(self) -> str:
        """Slack's time of the question."""
        return self.post.ts

    @property
    def markers(self) -> tuple[str, str]:
        """Keys that mark the question as accepted."""
        team, post = self.thread.team, self.post
        marker = keys.idempotency_key(team, self.thread.channel, post.ts)
        return marker, keys.client_msg_id(
            team, post.client_msg_id
        ) if post.client_msg_id else marker


class _ReplyRequest(BaseModel):
    """
    Press that asks for work on the reply to the question of `user` at `ts`.

    `files` are Slack's ids of the reply's files, as far as they are known.
    """

    model_config = ConfigDict(frozen=True)

    thread: Thread
    ts: Timestamp
    user: SlackId
    user_team: SlackId
    files: frozenset[str]

    @property
    def is_undecided(self) -> bool:
        """Whether it may turn out to be no question."""
        return False

    @property
    def needs_engine(self) -> bool:
        """Whether it costs GPU time."""
        return True

    @property
    def charged_user(self) -> str:
        """User whose quota and budget count the request."""
        return self.user

    @property
    def asked_at(self) -> str:
        """Slack's time of what is asked for."""
        raise NotImplementedError

    @property
    def markers(self) -> tuple[str, str]:
        """Keys that mark the request as accepted."""
        marker = keys.reanswer(self.thread.team, self.thread.channel, self.ts, self.asked_at)
        return marker, marker


class ReceivedReanswer(_ReplyRequest):
    """
    Request to answer a question again that was edited at `version`.

    `placeholder` is the `ts` of the present reply.
    """

    kind: Literal["reanswer"] = "reanswer"
    version: Timestamp
    placeholder: str | None

    @property
    def has_reply(self) -> bool:
        """Whether the thread shows a reply to the question already."""
        return self.placeholder is not None

    @property
    def asked_at(self) -> str:
        """Slack's time of the edit."""
        return self.version


class ReceivedRework(_ReplyRequest):
    """
    Request for work on a finished reply, pressed at `pressed_at`.

    `presser` is who pressed the button, with `presser_team`, if not the user who asked.
    """

    kind: Literal["rework"] = "rework"
    rework: Rework
    pressed_at: Timestamp
    presser: SlackId | None = None
    presser_team: SlackId | None = None

    @property
    def charged_user(self) -> str:
        """User whose quota and budget count the request: who wants the GPU's time."""
        return self.presser or self.user

    @property
    def needs_engine(self) -> bool:
        """Whether it costs GPU time: some work only shows a version that Redis keeps."""
        stored = {ReworkKind.PREVIOUS, ReworkKind.ANOTHER, ReworkKind.SHOW}
        return self.rework.kind not in stored

    @property
    def has_reply(self) -> bool:
        """Whether the thread shows a reply to the question already."""
        return True

    @property
    def asked_at(self) -> str:
        """Slack's time of the press."""
        return self.pressed_at


Received = ReceivedMessage | ReceivedReanswer | ReceivedRework

_ADAPTER: TypeAdapter[Received] = TypeAdapter(Annotated[Received, Field(discriminator="kind")])


def received_job_id(received: Received) -> str:
    """Return the id of the job that a received question becomes."""
    return job_id(received.thread.team, received.thread.channel, received.ts)


def decode_unread_question(encoded: bytes | str) -> Received | None:
    """Decode what `model_dump_json` returned; `None` if it is malformed."""
    try:
        return _ADAPTER.validate_json(encoded)
    except ValidationError:
        return None
