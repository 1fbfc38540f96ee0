"""One message, in the shape Slack gives it, with what Slack knows beside that shape."""

from dataclasses import dataclass, field, replace
from typing import Any

from fakeslack.errors import Json


@dataclass(frozen=True, slots=True)
class PostOptions:
    """How the poster asked a message to be treated: what Slack may link and unfurl."""

    link_names: bool = False
    parse: str = "none"
    unfurl_links: bool = False
    unfurl_media: bool = True


@dataclass(frozen=True, slots=True)
class Message:
    """
    A message in a channel; `body` is the Slack message object without what is derived.

    `only_for` is the one person who sees an ephemeral message, `shown` the body that others
    than `watcher` see while it is being streamed.
    """

    channel: str
    body: Json
    options: PostOptions = field(default_factory=PostOptions)
    only_for: str | None = None
    stream_recipient: str | None = None
    public_body: Json | None = None

    @property
    def ts(self) -> str:
        """The timestamp, which is the message's name within its channel."""
        return str(self.body["ts"])

    @property
    def thread_ts(self) -> str | None:
        """The timestamp of the root where this is a reply (or a root that has replies)."""
        return self.body.get("thread_ts")

    @property
    def user(self) -> str:
        """Who wrote it."""
        return str(self.body.get("user", ""))

    @property
    def text(self) -> str:
        """Its text as Slack keeps it."""
        return str(self.body.get("text", ""))

    @property
    def is_reply(self) -> bool:
        """Whether it stands in a thread under another message."""
        return self.thread_ts is not None and self.thread_ts != self.ts

    @property
    def is_in_channel(self) -> bool:
        """Whether it is seen in the channel itself: a root, or a reply also sent there."""
        return not self.is_reply or self.body.get("subtype") == "thread_broadcast"

    @property
    def is_tombstone(self) -> bool:
        """Whether it is what remains of a deleted root."""
        return self.body.get("subtype") == "tombstone"

    def with_fields(self, **fields: Any) -> "Message":
        """Return the message with `fields` set; a field given as None is taken away."""
        body = {name: value for name, value in (self.body | fields).items() if value is not None}
        return replace(self, body=body)

    def with_options(self, options: PostOptions) -> "Message":
        """Return the message treated in another manner."""
        return replace(self, options=options)

    def without_metadata(self) -> Json:
        """Return the Slack message object without its metadata."""
        return {name: value for name, value in self.body.items() if name != "metadata"}

    def to_tombstone(self) -> "Message":
        """Return what remains of this root once it is deleted and replies stand under it."""
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
