"""Pure: what an outage was, and which messages in a channel's history it kept from us."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from bot.messages import mrkdwn
from bot.messages.events import Place, Posted, read
from bot.messages.identity import Me
from contract import keys

Json = Mapping[str, Any]

REDELIVERY: Final = 420.0
"""Seconds after which Slack has given up on an event: its last try comes after six minutes."""
LOOK_BACK: Final = keys.IDEMPOTENCY_TTL_SECONDS - keys.SECONDS_PER_HOUR
"""Seconds: for an older message nobody remembers any more whether it was answered."""
WAITED: Final = keys.SECONDS_PER_HOUR
"""Seconds that a question may have waited at most to be found again once Redis was emptied."""
ROOTS: Final = 24 * keys.SECONDS_PER_HOUR
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
    quiet: float
    roots: float
    emptied: bool = False

    @classmethod
    def between(cls, first: float, last: float, now: float) -> Self:
        """Return the outage since `last`, when events reached us; they did from `first` on."""
        earliest = max(first, now - LOOK_BACK)
        since = max(earliest, last - REDELIVERY)
        return cls(since=since, quiet=max(earliest, last), roots=since - ROOTS)

    @classmethod
    def of_redis(cls, first: float, now: float) -> Self:
        """Return the time whose questions Redis has lost; the bot was there from `first` on."""
        since = max(first, now - WAITED)
        return cls(since=since, quiet=since, roots=since - ROOTS, emptied=True)


@dataclass(frozen=True, slots=True)
class Spot:
    """A channel: `kind` is Slack's `channel_type`, `shared` whether other workspaces see it."""

    id: str
    kind: str
    shared: bool

    @classmethod
    def unlisted(cls, channel: str) -> Self:
        """Return a channel of which only the id is known; whoever writes there may be a guest."""
        return cls(channel, "im" if channel.startswith("D") else "channel", shared=True)


def missed(raw: Json, spot: Spot, outage: Outage, me: Me) -> Posted | None:
    """Read a message of a channel's history; `None` where it can be no question of the outage."""
    # Nobody has seen it before its edit: the text that it has now is the first one for us.
    fresh = {name: value for name, value in raw.items() if name != "edited"}
    event = {**fresh, "type": "message", "channel": spot.id, "channel_type": spot.kind}
    post = read({"event": event, "is_ext_shared_channel": spot.shared}, me)
    if not isinstance(post, Posted) or not post.asks:
        return None
    named = post.place is Place.DIRECT or me.user in mrkdwn.mentioned(post.text)
    return post if float(post.ts) >= (outage.since if named else outage.quiet) else None


def grown(raw: Json) -> float:
    """Return when somebody last wrote into the thread of a message (s); 0 where nobody did."""
    try:
        return float(raw.get("latest_reply") or 0)
    except (TypeError, ValueError):
        return 0.0


def grew(raw: Json, outage: Outage) -> bool:
    """Say whether somebody has written into the thread of a message since the outage began."""
    return grown(raw) >= outage.since
