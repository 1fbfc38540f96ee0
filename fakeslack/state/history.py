"""Channel history: messages in order, threads, and cursor pagination."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fakeslack.errors import Json, SlackError
from fakeslack.state.messages import Message


class ChannelHistory:
    """All messages of one channel, added in timestamp order."""

    def __init__(self) -> None:
        self._messages: dict[str, Message] = {}
        self._replies: dict[str, dict[str, None]] = {}

    def put_message(self, message: Message) -> None:
        """Add a message, or replace the message with the same ts."""
        self._messages[message.ts] = message
        if message.thread_ts is not None and message.is_reply:
            self._replies.setdefault(message.thread_ts, {})[message.ts] = None

    def move_messages(self, channel: str) -> None:
        """Give all messages to a channel: the id of theirs has changed."""
        for ts, message in self._messages.items():
            self._messages[ts] = replace(message, channel=channel)

    def find_message(self, ts: str) -> Message | None:
        """Return the message with this ts, or None."""
        return self._messages.get(ts)

    def remove_message(self, message: Message) -> None:
        """
        Remove a message; a thread root with replies becomes a tombstone.

        A tombstone is removed with its last reply.
        """
        if not message.is_reply:
            if self._replies.get(message.ts):
                self._messages[message.ts] = message.to_tombstone()
            else:
                del self._messages[message.ts]
            return
        del self._messages[message.ts]
        remaining_replies = self._replies[str(message.thread_ts)]
        del remaining_replies[message.ts]
        root = self._messages.get(str(message.thread_ts))
        if not remaining_replies and root is not None and root.is_tombstone:
            del self._messages[root.ts]

    def thread_replies(self, root: str) -> list[Message]:
        """Return the replies to the message at `root`, oldest first."""
        return [self._messages[ts] for ts in self._replies.get(root, {})]

    def channel_messages(self) -> list[Message]:
        """Return the messages visible in the channel itself, oldest first."""
        return [message for message in self._messages.values() if message.is_in_channel]

    def thread_summary(self, message: Message) -> Json:
        """Return the thread fields of a root: reply count, users and latest reply."""
        replies = [] if message.is_reply else self.thread_replies(message.ts)
        if not replies:
            return {}
        reply_users = list(dict.fromkeys(reply.user for reply in replies))
        return {
            "thread_ts": message.ts,
            "reply_count": len(replies),
            "reply_users": reply_users,
            "reply_users_count": len(reply_users),
            "latest_reply": replies[-1].ts,
            "is_locked": False,
            "subscribed": False,
        }


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A range of timestamps; an empty bound is open."""

    oldest: str = ""
    latest: str = ""
    inclusive: bool = False

    def contains_ts(self, ts: str) -> bool:
        """Whether the range contains `ts`."""
        seconds = float(ts)
        if self.inclusive and ts in {self.oldest, self.latest}:
            return True
        is_after_oldest = not self.oldest or seconds > float(self.oldest)
        return is_after_oldest and (not self.latest or seconds < float(self.latest))


@dataclass(frozen=True, slots=True)
class MessagePage:
    """One page of messages; `next_cursor` is empty on the last page."""

    messages: Sequence[Message]
    next_cursor: str = ""


def paginate_messages(messages: Sequence[Message], limit: int, cursor: str = "") -> MessagePage:
    """
    Return up to `limit` messages, starting at `cursor`.

    Raises `invalid_cursor` if the cursor is malformed or its message is gone.
    """
    position = _cursor_position(messages, cursor) if cursor else 0
    page_messages = messages[position : position + limit]
    if position + limit >= len(messages):
        return MessagePage(page_messages)
    next_ts = messages[position + limit].ts
    return MessagePage(page_messages, base64.b64encode(f"next_ts:{next_ts}".encode()).decode())


def _cursor_position(messages: Sequence[Message], cursor: str) -> int:
    try:
        name, _, ts = base64.b64decode(cursor, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise SlackError("invalid_cursor") from None
    if name != "next_ts":
        raise SlackError("invalid_cursor")
    positions = [position for position, message in enumerate(messages) if message.ts == ts]
    if not positions:
        raise SlackError("invalid_cursor")
    return positions[0]
