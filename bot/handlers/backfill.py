"""
Finds the questions of an outage in Slack's history, and answers each once.

Redis knows until when events reached a bot, by Slack's clock: messages are dated by no other. After
a start, or after a while without connections, what was asked since is read from Slack and dealt
with as if it had just been delivered; markers tell what was dealt with before. All of it happens
beside the events that arrive now.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from operator import itemgetter
from typing import Any, Final

import structlog
from redis import Redis
from redis.exceptions import RedisError
from slack_sdk.errors import SlackApiError

from bot.handlers.edits import Edits
from bot.handlers.outage import Json, Outage, Spot, grew, grown, missed
from bot.handlers.questions import Turns
from bot.handlers.reconcile import Remains
from bot.messages.events import Posted
from bot.slack.client import Client, reason
from bot.slack.errors import SLACK_AWAY
from bot.slack.paging import PAGE, EndedError, Reading
from bot.store.purge import Forgetting
from bot.store.thread_cache import SHUT
from bot.store.thread_modes import Sessions
from contract import clock_skew, keys

log = structlog.get_logger()

BEAT: Final = 5.0
"""Seconds between two notes that events reach us."""
AWAY: Final = 60.0
"""Seconds without such a note that count as an outage."""
KINDS: Final = {"public_channel": "channel", "private_channel": "group", "mpim": "mpim", "im": "im"}
"""Slack's names of what we can be in, and what its events call the same."""
MOST_THREADS: Final = 300
"""Followed threads that are looked into one by one; those that were used last come first."""

BEAT_ON: Final = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'last', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], 1, 'EX', ARGV[2])
return 1
"""
"""Note that events reach us, unless the team was forgotten meanwhile."""


class CatchUp:
    """A thread that notes until when events reached us, and catches up on what did not."""

    def __init__(
        self,
        redis: Redis,
        web: Client,
        turns: Turns,
        edits: Edits,
        connected: Callable[[], bool],
    ) -> None:
        """`connected` says whether Slack can reach us."""
        self._redis = redis
        self._web = web
        self._clock = web.clock
        self._me = me = turns.me
        self._turns = turns
        self._edits = edits
        self._connected = connected
        self._key = keys.connection_window(me.team)
        self._beat_on = redis.register_script(BEAT_ON)
        self._remains = Remains(redis, me, turns.posting, turns.outbox)
        self._began = False
        self._first: float | None = None
        self._outage: Outage | None = None
        self._ended = threading.Event()
        self._reading = Reading(self._ended)
        self._thread = threading.Thread(target=self._run, name="catch-up", daemon=True)

    def start(self) -> None:
        """Begin; what is known of threads that may have changed since is dropped at once."""
        try:
            self._compare_clocks()
            first, last, now = self._noted()
            self._drop_stale(last, now)
            if first is not None and last is not None:
                self._outage = Outage.between(first, last, now)
        except RedisError as error:
            log.warning("outage unknown", why=type(error).__name__)
        self._thread.start()

    def close(self) -> None:
        """End, in the middle of catching up if need be: the next start begins it anew."""
        self._ended.set()
        self._thread.join(BEAT)

    def go_before(self, post: Posted) -> None:
        """Take in what an outage of now hides before a question. Raises what `bot.handlers.questions` raises."""
        outage, thread = self._outage, post.thread
        if outage is None or not (post.asks and post.in_thread):
            return
        answer = self._web.conversations_replies(
            channel=thread.channel, ts=thread.ts, limit=PAGE, **_since(outage)
        )
        found = answer.get("messages") or ()
        spot = Spot.unlisted(thread.channel)
        posts = (missed(raw, spot, outage, self._me) for raw in found)
        for older in sorted((p for p in posts if p and p.ts < post.ts), key=lambda p: p.ts):
            if self._open(older, found if outage.emptied else None):
                self._turns.take(older)

    def _run(self) -> None:
        while not self._ended.wait(BEAT if self._began else BEAT / 20):
            try:
                if self._connected():
                    self._beat()
            except EndedError:
                return
            except (RedisError, *SLACK_AWAY) as error:
                log.warning("catching up put off", why=reason(error))
                self._ended.wait(BEAT)
            except Exception:
                # One of this process's nets: the beat must go on.
                log.exception("catching up failed")
                self._began = True

    def _beat(self) -> None:
        first, last, now = self._noted()
        if first is None and not self._began:
            first = now
            self._redis.hset(self._key, mapping={"first": now, "last": now})
        elif (
            first is None
            and self._first is not None
            and not self._redis.exists(keys.REDIS_SENTINEL)
        ):
            log.warning("redis was emptied")
            self._catch_up(Outage.of_redis(self._first, now))
            self._redis.hset(self._key, mapping={"first": self._first, "last": now})
        elif first is not None and last is not None and (not self._began or now - last > AWAY):
            if self._drop_stale(last, now):
                self._recheck()
            self._catch_up(Outage.between(first, last, now))
        self._began = True
        self._beat_on(
            keys=[self._key, keys.REDIS_SENTINEL],
            args=[self._clock.now(), keys.THREAD_MODE_TTL_SECONDS],
        )
        self._first = first or self._first

    def _compare_clocks(self) -> None:
        seconds, micros = self._redis.time()
        redis, machine = seconds + micros / 1e6, time.time()
        clock_skew.warn_on_skew(self._clock.now(), machine=machine, redis=redis)

    def _noted(self) -> tuple[float | None, float | None, float]:
        first, last = self._redis.hmget(self._key, ["first", "last"])
        known = None if first is None or last is None else (float(first), float(last))
        return (*(known or (None, None)), self._clock.now())

    def _drop_stale(self, last: float | None, now: float) -> bool:
        if last is None or now - last <= AWAY:
            return False
        dropped = Forgetting(self._redis).copies(self._me.team)
        log.info("outage", seconds=round(now - last), copies=dropped)
        return True

    def _recheck(self) -> None:
        """Look at the questions that were waiting: were they edited or deleted meanwhile?"""
        for job in self._turns.outbox.unanswered(self._me.team):
            self._reading.persist(partial(self._edits.recheck, job))

    def _catch_up(self, outage: Outage) -> None:
        self._outage = outage
        self._reading.begin()
        followed = Sessions(self._redis).latest(self._me.team, MOST_THREADS)
        spots = {spot.id: spot for spot in self._spots()}
        oldest, taken = f"{outage.roots:.6f}", 0
        threads: list[tuple[float, Spot, str]] = []
        for channel in {*spots, *followed}:
            spot = spots.get(channel) or Spot.unlisted(channel)
            roots = self._read(self._web.conversations_history, spot, oldest=oldest)
            if roots is not None:
                alone = (raw for raw in roots if not (outage.emptied and grew(raw, outage)))
                taken += self._take_missed(alone, (), spot, outage)
                grew_on = (raw for raw in roots if grew(raw, outage))
                threads += [(grown(raw), spot, str(raw["ts"])) for raw in grew_on]
                older = (ts for ts in followed.get(channel, ()) if ts < oldest)
                threads += [(outage.since, spot, ts) for ts in older]
        # Each thread costs a call, so those that were written in last, as in the outage, are first.
        for _, spot, ts in sorted(threads, key=itemgetter(0), reverse=True):
            found = self._read(self._web.conversations_replies, spot, ts=ts, **_since(outage))
            taken += self._take_missed(found or (), found or (), spot, outage)
        self._outage = None
        log.info("caught up", channels=len(spots), calls=self._reading.calls, taken=taken)

    def _spots(self) -> Iterator[Spot]:
        for kind, name in KINDS.items():
            listed = self._reading.pages(
                self._web.users_conversations, "channels", types=kind, exclude_archived=True
            )
            try:
                for raw in listed:
                    yield Spot(str(raw["id"]), name, shared=bool(raw.get("is_ext_shared")))
            except SlackApiError as error:
                if reason(error) != "missing_scope":
                    raise
                log.warning("channels not listed", kind=kind, why="missing_scope")

    def _read(
        self, method: Callable[..., Any], spot: Spot, **arguments: Any
    ) -> list[dict[str, Any]] | None:
        """Return the messages of a channel or of a thread; `None` where we may not read them."""
        try:
            return list(self._reading.pages(method, "messages", channel=spot.id, **arguments))
        except SlackApiError as error:
            if reason(error) not in SHUT:
                raise
            log.info("channel not readable", channel=spot.id, why=reason(error))
            return None

    def _take_missed(
        self, found: Iterable[Json], thread: Iterable[Json], spot: Spot, outage: Outage
    ) -> int:
        """Deal with the questions of the outage among these, oldest first; say how many."""
        posts = (missed(raw, spot, outage, self._me) for raw in found)
        asked = {post.ts: post for post in posts if post is not None}
        # Redis knows who has an answer, and where it was emptied, what stands in the thread.
        said = thread if outage.emptied else None
        return sum(self._take(asked[ts], said) for ts in sorted(asked))

    def _take(self, post: Posted, said: Iterable[Json] | None) -> bool:
        """Deal with a question as if it was delivered now; say whether nobody had done so."""
        fresh = self._open(post, said)
        if fresh:
            self._reading.persist(partial(self._turns.take, post))
        return fresh

    def _open(self, post: Posted, said: Iterable[Json] | None) -> bool:
        """Say whether nobody has dealt with a question; `said` is its thread, if that must tell."""
        thread = post.thread
        if self._turns.outbox.seen(thread.team, thread.channel, post.ts):
            return False
        return said is None or not self._remains.settled(post, said)


def _since(outage: Outage) -> dict[str, Any]:
    return {"oldest": f"{outage.since:.6f}", "include_all_metadata": True}
