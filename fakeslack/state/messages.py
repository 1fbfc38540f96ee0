"""Messages: Slack's message object and the simulator's own facts about it."""

from dataclasses import dataclass, field, replace
from typing import Any

from fakeslack.block_kit.text_blocks import build_text_block
from fakeslack.errors import Json

TEXT_SUBTYPES = {None, "bot_message", "file_share", "thread_broadcast"}
"""Subtypes of messages that a person or an app wrote."""


@dataclass(frozen=True, slots=True)
class PostOptions:
    """Options of a post that decide what Slack parses in its text and unfurls."""

    link_names: bool = False
    parse: str = "none"
    unfurl_links: bool = False
    unfurl_media: bool = True
    mrkdwn: bool = True
    link_urls: bool = True


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

    def with_text_block(self) -> "Message":
        """
        Return the message with the `rich_text` block that Slack makes of its text.

        A message that has blocks keeps them. An app's message with attachments gets none.
        """
        body = self.body
        has_layout = "blocks" in body or ("bot_id" in body and "attachments" in body)
        if has_layout or body.get("subtype") not in TEXT_SUBTYPES or "streaming_state" in body:
            return self
        is_markup = self.options.mrkdwn and self.options.parse != "full"
        block = build_text_block(self.text, mrkdwn=is_markup, link_urls=self.options.link_urls)
        return self if block is None else self.with_fields(blocks=[block])

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
