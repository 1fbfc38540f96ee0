"""Messages: Slack's message object and the simulator's own facts about it."""

from dataclasses import dataclass, field, replace
from typing import Any

from fakeslack.errors import Json


@dataclass(frozen=True, slots=True)
class PostOptions:
    """Options of a post that decide which names and links Slack parses and unfurls."""

    link_names: bool = False
    parse: str = "none"
    unfurl_links: bool = False
    unfurl_media: bool = True


@dataclass(frozen=True, slots=True)
class Message:
    """
    One message; `body` is the Slack message object without derived fields.

    `only_for` is the reader of an ephemeral message. While the message is streamed, everyone but
    `stream_recipient` sees `public_body`.
    """

    channel: str
    body: Json
    options: PostOptions = field(default_factory=PostOptions)
    only_for: str | None = None
    stream_recipient: str | None = None
    public_body: Json | None = None

    @property
    def ts(self) -> str:
        """The timestamp, which identifies the message within its channel."""
        return str(self.body["ts"])

    @property
    def thread_ts(self) -> str | None:
        """The ts of the thread root, if the message is a reply or a root with replies."""
        return self.body.get("thread_ts")

    @property
    def user(self) -> str:
        """The author's user id."""
        return str(self.body.get("user", ""))

    @property
    def text(self) -> str:
        """The text as Slack stores it."""
        return str(self.body.get("text", ""))

    @property
    def is_reply(self) -> bool:
        """Whether the message is a reply in a thread."""
        return self.thread_ts is not None and self.thread_ts != self.ts

    @property
    def is_in_channel(self) -> bool:
        """Whether the channel itself shows the message: a root, or a reply also sent there."""
        return not self.is_reply or self.body.get("subtype") == "thread_broadcast"

    @property
    def is_tombstone(self) -> bool:
        """Whether the message is the tombstone of a deleted root."""
        return self.body.get("subtype") == "tombstone"

    def with_fields(self, **fields: Any) -> "Message":
        """Return the message with `fields` set; None removes a field."""
        body = {name: value for name, value in (self.body | fields).items() if value is not None}
        return replace(self, body=body)

    def with_options(self, options: PostOptions) -> "Message":
        """Return the message with other post options."""
        return replace(self, options=options)

    def without_metadata(self) -> Json:
        """Return the Slack message object without its metadata."""
        return {name: value for name, value in self.body.items() if name != "metadata"}

    def to_tombstone(self) -> "Message":
        """Return the tombstone that replaces this root when it is deleted and has replies."""
        body: Json = {
            "type": "message",
            "subtype": "tombstone",
            "hidden": True,
            "user": "USLACKBOT",
            "text": "This message was deleted.",
            "ts": self.ts,
            "thread_ts": self.ts,
        }
        return Message(self.channel, body)
