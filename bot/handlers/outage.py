"""Outages: their time window, and the messages of a channel's history that fall into it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from bot.messages.admission import is_addressed
from bot.messages.content.json_fields import get_text
from bot.messages.event_parser import parse_event
from bot.messages.events import MessagePosted
from bot.messages.message import BotIdentity
from contract import keys

Json = Mapping[str, Any]

REDELIVERY_WINDOW_SECONDS: Final = 420.0
"""Seconds after which Slack no longer delivers an event; its last retry comes after 6 min."""
SETTLED_SECONDS: Final = 60.0
"""Age from which on Slack's history shows a message for certain, unless it is deleted."""
MAX_LOOKBACK_SECONDS: Final = keys.IDEMPOTENCY_TTL_SECONDS - keys.SECONDS_PER_HOUR
"""Maximum age of a missed question: older idempotency keys have expired."""
MAX_QUESTION_AGE_SECONDS: Final = keys.SECONDS_PER_HOUR
"""Maximum age of a question that is answered again after Redis data loss."""
THREAD_LOOKBACK_SECONDS: Final = 24 * keys.SECONDS_PER_HOUR
"""Age before the outage up to which threads are searched that the bot had not joined."""


@dataclass(frozen=True, slots=True)
class Outage:
    """
    Time window in which events may be lost; all times are Slack's (s since the epoch).

    - `since`: start of the search for messages that mention the bot.
    - `unmentioned_since`: start for messages in followed threads; the bot may have received and
      ignored older ones.
    - `roots_since`: threads that started before this are searched only if the bot had joined them.
    - `until`: its end; the bot has missed edits and deletions of the messages before.
    - `is_redis_loss`: Redis lost its data, so only Slack shows which questions have answers.
    """

    since: float
    unmentioned_since: float
    roots_since: float
    until: float
    is_redis_loss: bool = False

    @classmethod
    def since_last_event(cls, first: float, last: float, now: float) -> Self:
        """Return the outage since the last heartbeat; `first` is the time of the first one."""
        earliest = max(first, now - MAX_LOOKBACK_SECONDS)
        since = max(earliest, last - REDELIVERY_WINDOW_SECONDS)
        return cls(
            since=since,
            unmentioned_since=max(earliest, last),
            roots_since=since - THREAD_LOOKBACK_SECONDS,
            until=now,
        )

    @classmethod
    def since_redis_loss(cls, first: float, now: float) -> Self:
        """Return the window whose questions Redis lost; `first` is the first heartbeat's time."""
        since = max(first, now - MAX_QUESTION_AGE_SECONDS)
        return cls(
            since=since,
            unmentioned_since=since,
            roots_since=since - THREAD_LOOKBACK_SECONDS,
            until=now,
            is_redis_loss=True,
        )

    def without_expired(self, now: float) -> Self | None:
        """Return the window without questions that are too old by now; `None` without any left."""
        lookback = MAX_QUESTION_AGE_SECONDS if self.is_redis_loss else MAX_LOOKBACK_SECONDS
        earliest = now - lookback
        if self.until < earliest:
            return None
        since, unmentioned = max(self.since, earliest), max(self.unmentioned_since, earliest)
        return replace(self, since=since, unmentioned_since=unmentioned)

    def hides_deletion(self, ts: str) -> bool:
        """Return whether the deletion of an accepted message may be among the lost events."""
        return self.until - float(ts) > SETTLED_SECONDS


@dataclass(frozen=True, slots=True)
class Channel:
    """Channel with Slack's `channel_type`; `is_shared` with other workspaces by Slack Connect."""

    id: str
    channel_type: str
    is_shared: bool

    @classmethod
    def from_id(cls, channel: str) -> Self:
        """Return a channel by its id alone, as shared: its authors may be external."""
        return cls(channel, "im" if channel.startswith("D") else "channel", is_shared=True)


def parse_missed_question(
    raw: Json, channel: Channel, outage: Outage, identity: BotIdentity
) -> MessagePosted | None:
    """Parse a message of a channel's history; `None` if it is no question of the outage."""
    # The bot never saw the text before the edit, so the edited message counts as new.
    unedited = {name: value for name, value in raw.items() if name != "edited"}
    event = {
        **unedited,
        "type": "message",
        "channel": channel.id,
        "channel_type": channel.channel_type,
    }
    post = parse_event({"event": event, "is_ext_shared_channel": channel.is_shared}, identity)
    if not isinstance(post, MessagePosted) or not post.can_ask:
        return None
    since = outage.since if is_addressed(post, identity) else outage.unmentioned_since
    return post if float(post.ts) >= since else None


def latest_reply_at(raw: Json) -> float:
    """Return the time of the last reply to a message (s since the epoch); 0 without replies."""
    try:
        return float(str(raw.get("latest_reply")))
    except ValueError:
        return 0.0


def find_root(raw: Json) -> str:
    """Return the root's `ts` of a reply; empty for a root."""
    thread_ts = get_text(raw, "thread_ts")
    return "" if thread_ts == raw.get("ts") else thread_ts


def has_new_replies(raw: Json, outage: Outage) -> bool:
    """Return whether a message has replies since the outage began."""
    return latest_reply_at(raw) >= outage.since
