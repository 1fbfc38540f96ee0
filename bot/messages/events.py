"""Slack events as types; `bot.messages.event_parser` reads them."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bot.messages.asks.asked_message import AskedMessage
from bot.messages.message import Message
from contract.job import SLACK_ID_PATTERN, TIMESTAMP_PATTERN, Thread

SlackId = Annotated[str, Field(pattern=r"^[A-Za-z0-9]*$")]
Timestamp = Annotated[str, Field(pattern=TIMESTAMP_PATTERN)]


class ChannelType(StrEnum):
    """Slack's `channel_type`; private channels count as channels."""

    CHANNEL = "channel"
    IM = "im"
    MPIM = "mpim"


class MessagePosted(BaseModel):
    """
    New message.

    `text` is what its author wrote, and `mentions` the users it mentions. `bot_ids` holds every id
    of an author that is a bot; it is empty for a person. `message` is what the thread cache keeps.
    `client_msg_id` is the same for two sends of one message. A root is no `is_thread_reply`,
    whether it has replies or not. `asked` is set if the bot posted the message for its author.
    """

    model_config = ConfigDict(frozen=True)

    thread: Thread
    ts: Timestamp
    channel_type: ChannelType
    author: SlackId
    author_team: SlackId
    text: str
    message: Message | None
    can_ask: bool
    is_own: bool
    mentions: frozenset[str] = frozenset()
    bot_ids: frozenset[str] = frozenset()
    client_msg_id: str | None = None
    is_thread_reply: bool = False
    is_external: bool = False
    is_guest: bool = False
    is_public: bool | None = None
    """Whether the channel is public and not shared by Slack Connect; `None` if that is unknown."""
    asked: AskedMessage | None = None

    @property
    def shared_thread(self) -> Thread | None:
        """Thread of the direct message whose answer this message shares, if it does."""
        return None if self.asked is None else self.asked.find_shared(self.thread.team)

    @property
    def has_attachments(self) -> bool:
        """Whether the message shows more words than those of its author, or files with words."""
        message = self.message
        return message is not None and (
            bool(message.attachments.strip())
            or any(reference.may_be_text for reference in message.references)
        )


class MessageChanged(BaseModel):
    """
    Message that was edited by its author (`is_edit`) or unfurled (`is_unfurl`).

    `version` orders changes. `question` is set if the edit mentions the bot for the first time.
    """

    model_config = ConfigDict(frozen=True)

    thread: Thread
    ts: Timestamp
    version: Timestamp
    message: Message | None
    is_own: bool
    is_edit: bool = False
    is_unfurl: bool = False
    question: MessagePosted | None = None


class MessageDeleted(BaseModel):
    """Deleted message."""

    model_config = ConfigDict(frozen=True)

    thread: Thread
    ts: Timestamp
    version: Timestamp


class StopReaction(BaseModel):
    """Reaction that asks to stop: to a question, or to the reply, by `user`."""

    model_config = ConfigDict(frozen=True)

    team: str = Field(pattern=SLACK_ID_PATTERN)
    channel: str = Field(pattern=SLACK_ID_PATTERN)
    ts: Timestamp
    user: str = Field(pattern=SLACK_ID_PATTERN)


class DeletionReaction(BaseModel):
    """Reaction of `user` that asks to delete the reply with the bot's message at `ts`."""

    model_config = ConfigDict(frozen=True)

    channel: str = Field(pattern=SLACK_ID_PATTERN, max_length=64)
    ts: Timestamp
    user: str = Field(pattern=SLACK_ID_PATTERN, max_length=64)


class VoteReaction(BaseModel):
    """Reaction 👍 or 👎 of `user` to the bot's message at `ts`, added or removed."""

    model_config = ConfigDict(frozen=True)

    channel: str = Field(pattern=SLACK_ID_PATTERN, max_length=64)
    ts: Timestamp
    user: str = Field(pattern=SLACK_ID_PATTERN, max_length=64)
    is_positive: bool
    is_removed: bool
    reacted_at: Timestamp


class SessionStopped(BaseModel):
    """Press of Slack's own Stop by `user`, for the session of a thread."""

    model_config = ConfigDict(frozen=True)

    thread: Thread
    user: str = Field(pattern=SLACK_ID_PATTERN)


class AppHomeOpened(BaseModel):
    """User who opened the bot's Home tab."""

    model_config = ConfigDict(frozen=True)

    team: SlackId
    user: SlackId


class MessagesTabOpened(BaseModel):
    """User who opened the direct message with the bot."""

    model_config = ConfigDict(frozen=True)

    team: SlackId
    user: SlackId
    channel: str = Field(pattern=r"^D[A-Za-z0-9]{1,63}$")


class AppUninstalled(BaseModel):
    """Workspace that has uninstalled the bot or revoked its token."""

    model_config = ConfigDict(frozen=True)

    team: SlackId


class BotInvited(BaseModel):
    """Channel that the bot has joined; `inviter` is empty if Slack does not say who invited it."""

    model_config = ConfigDict(frozen=True)

    team: SlackId
    channel: SlackId
    inviter: SlackId = ""


class ChannelMoved(BaseModel):
    """Private channel that has a new id, because it is shared with another organization."""

    model_config = ConfigDict(frozen=True)

    old: str = Field(pattern=SLACK_ID_PATTERN, max_length=64)
    new: str = Field(pattern=SLACK_ID_PATTERN, max_length=64)


class FileDeleted(BaseModel):
    """File that was deleted; Slack does not say where it was shared."""

    model_config = ConfigDict(frozen=True)

    team: SlackId
    file: SlackId


class Ignored(BaseModel):
    """Any other event, and malformed ones (not `readable`): acknowledged without effect."""

    model_config = ConfigDict(frozen=True)

    readable: bool = True


Event = (
    MessagePosted
    | MessageChanged
    | MessageDeleted
    | FileDeleted
    | StopReaction
    | DeletionReaction
    | VoteReaction
    | SessionStopped
    | AppHomeOpened
    | MessagesTabOpened
    | AppUninstalled
    | BotInvited
    | ChannelMoved
    | Ignored
)
