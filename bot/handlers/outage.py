"""Pure: what an outage was, and which messages in a channel's history it kept from us."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from bot.messages import mrkdwn
from bot.messages.events import ChannelType, MessagePosted, parse_event
from bot.messages.identity import BotIdentity
from contract import keys

Json = Mapping[str, Any]

REDELIVERY_WINDOW_SECONDS: Final = 420.0
"""Seconds after which Slack has given up on an event: its last try comes after six minutes."""
MAX_LOOKBACK_SECONDS: Final = keys.IDEMPOTENCY_TTL_SECONDS - keys.SECONDS_PER_HOUR
"""Seconds: for an older message nobody remembers any more whether it was answered."""
MAX_QUESTION_AGE_SECONDS: Final = keys.SECONDS_PER_HOUR
"""Seconds that a question may have waited at most to be found again once Redis was emptied."""
THREAD_LOOKBACK_SECONDS: Final = 24 * keys.SECONDS_PER_HOUR
"""Seconds before an outage in which a thread began that is found without having been asked in."""


@dataclass(frozen=True, slots=True)
class Outage:
    """
    A time in which events may have been lost, by Slack's timestamps (s).

    Questions that name us are looked for from `since` on; what the bot may have heard and left
    alone, as messages of others in a thread that it follows, only from `quiet` on. `roots` is how
    far back the threads began in whose replies they are looked for. Where Redis was `emptied`, only
    Slack knows what has an answer.
    """

    since: float
    unmentioned_since: float
    roots_since: float
    is_redis_loss: bool = False

    @classmethod
    def since_last_event(cls, first: float, last: float, now: float) -> Self:
        """Return the outage since `last`, when events reached us; they did from `first` on."""
        earliest = max(first, now - MAX_LOOKBACK_SECONDS)
        since = max(earliest, last - REDELIVERY_WINDOW_SECONDS)
        return cls(
            since=since,
            unmentioned_since=max(earliest, last),
            roots_since=since - THREAD_LOOKBACK_SECONDS,
        )

    @classmethod
    def since_redis_loss(cls, first: float, now: float) -> Self:
        """Return the time whose questions Redis has lost; the bot was there from `first` on."""
        since = max(first, now - MAX_QUESTION_AGE_SECONDS)
        return cls(
            since=since,
            unmentioned_since=since,
            roots_since=since - THREAD_LOOKBACK_SECONDS,
            is_redis_loss=True,
        )


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel: `kind` is Slack's `channel_type`, `shared` whether other workspaces see it."""

    id: str
    channel_type: str
    is_shared: bool

    @classmethod
    def from_id(cls, channel: str) -> Self:
        """Return a channel of which only the id is known; whoever writes there may be a guest."""
        return cls(channel, "im" if channel.startswith("D") else "channel", is_shared=True)


def parse_missed_question(
    raw: Json, channel: Channel, outage: Outage, identity: BotIdentity
) -> MessagePosted | None:
    """Read a message of a channel's history; `None` where it can be no question of the outage."""
    # Nobody has seen it before its edit: the text that it has now is the first one for us.
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
    is_addressed = post.channel_type is ChannelType.IM or identity.user_id in mrkdwn.find_mentions(
        post.text
    )
    return (
        post
        if float(post.ts) >= (outage.since if is_addressed else outage.unmentioned_since)
        else None
    )


def latest_reply_at(raw: Json) -> float:
    """Return when somebody last wrote into the thread of a message (s); 0 where nobody did."""
    try:
        return float(raw.get("latest_reply") or 0)
    except (TypeError, ValueError):
        return 0.0


def has_new_replies(raw: Json, outage: Outage) -> bool:
    """Say whether somebody has written into the thread of a message since the outage began."""
    return latest_reply_at(raw) >= outage.since
