"""
Personal notices: words to one person in a channel, at most one a minute, joined.

Each is an ephemeral message, or in a direct message an ordinary one. A bot leases a notice before
it sends it, and settles it afterwards. If the bot dies in between, another one sends the notice,
even if it is then shown twice: Slack cannot tell whether an ephemeral message was delivered.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog
from redis import Redis
from redis.commands.core import Script

from bot import texts
from bot.handlers.rules.reader_languages import ReaderLanguages
from bot.messages.events import MessagePosted
from bot.notices import REFUSALS, Notice, Sentence
from bot.rules.texts import RULES_OFFERED, Words
from bot.slack.client import CALL_ERRORS, AppRefusedError, error_name
from bot.slack.poster import Poster, retry_after
from bot.store.client import decode_reply, retry_redis
from bot.store.scripts import load_script
from contract import keys
from contract.job import Thread

log = structlog.get_logger()

REFUSED_DELAY_SECONDS: Final = 15.0
"""Seconds until a notice is tried again that Slack refused because it refuses the app."""
PERSONAL_LEASE_SECONDS: Final = 20.0
"""Lease after which another bot sends a notice: longer than the wait for budget and the call."""
MAX_REFUSED: Final = 1_000_000
"""Largest number of refused questions that a notice tells."""


DescribeRules = Callable[[str], Words]
"""Returns the words about a channel's rules, as they are when a notice is sent."""


def offer_rules(_channel: str) -> Words:
    """Return the words of a bot that knows no rules."""
    return Words(RULES_OFFERED)


@dataclass(slots=True)
class PersonalNotices:
    """Personal notices of one team. Methods raise `redis.exceptions.RedisError`."""

    redis: Redis
    team: str
    poster: Poster
    languages: ReaderLanguages
    describe_rules: DescribeRules = offer_rules
    quiet_seconds: float = keys.NOTICE_QUIET_SECONDS
    lease_seconds: float = PERSONAL_LEASE_SECONDS
    _due_key: str = field(init=False)
    _record_script: Script = field(init=False)
    _lease_script: Script = field(init=False)
    _settle_script: Script = field(init=False)

    def __post_init__(self) -> None:
        self._due_key = keys.notice_schedule(self.team)
        self._record_script = self.redis.register_script(load_script("record_personal_notice"))
        self._lease_script = self.redis.register_script(load_script("lease_personal_notice"))
        self._settle_script = self.redis.register_script(load_script("settle_personal_notice"))

    def record_for_message(self, post: MessagePosted, notice: Notice) -> bool:
        """Record a notice to a message's author, once; return whether it is due now."""
        thread = post.thread
        has_thread = post.is_thread_reply or _is_direct(thread.channel)
        return self._record(
            thread.channel,
            post.author,
            thread.ts if has_thread else "",
            notice,
            marker=keys.idempotency_key(thread.team, thread.channel, post.ts),
        )

    def record_for_user(self, thread: Thread, user: str, notice: Notice) -> bool:
        """Record a notice to a user about a thread; return whether it is due now."""
        return self._record(thread.channel, user, thread.ts, notice, marker=None)

    def deliver(self, channel: str, user: str) -> None:
        """Send what was recorded for a user in a channel, if it is due."""
        name = f"{channel}:{user}"
        key = keys.personal_notice(self.team, channel, user)
        leased = self._lease_script(keys=[key, self._due_key], args=[name, self.lease_seconds])
        if leased is None:
            return
        try:
            recorded, thread_ts, refused, told = (decode_reply(part) for part in leased)
            notice = Notice.from_json(recorded)
            sentences = notice.describe(_read_count(refused), is_more=told == "1")
            address = {"team": self.team, "channel": channel, "ts": thread_ts}
            thread = Thread(**address) if thread_ts else None
        except ValueError:
            log.error("notice not readable", channel=channel)  # noqa: TRY400 - it may hold text
            self._remove(name, key)
            return
        delay = None
        try:
            is_rules = notice.sentence is Sentence.RULES
            words = self.describe_rules(channel) if is_rules else Words(sentences)
            self.send_words(channel, user, thread, words)
        except CALL_ERRORS as error:
            log.warning("notice not posted", channel=channel, why=error_name(error))
            delay = retry_delay(error)
        seconds = self.quiet_seconds if delay is None else delay
        settle = partial(self._settle_script, keys=[key, self._due_key])
        retry_redis(partial(settle, args=[name, seconds, recorded, refused, int(delay is None)]))

    def _remove(self, name: str, key: str) -> None:
        with self.redis.pipeline() as pipe:
            pipe.delete(key)
            pipe.zrem(self._due_key, name)
            pipe.execute()

    def _record(
        self, channel: str, user: str, thread_ts: str, notice: Notice, *, marker: str | None
    ) -> bool:
        key = keys.personal_notice(self.team, channel, user)
        return bool(
            self._record_script(
                keys=[marker or key, key, self._due_key],
                args=[
                    keys.IDEMPOTENCY_TTL_SECONDS if marker else 0,
                    f"{channel}:{user}",
                    keys.NOTICE_TTL_SECONDS,
                    thread_ts,
                    notice.to_json(),
                    int(notice.sentence in REFUSALS),
                ],
            )
        )

    def send_words(self, channel: str, user: str, thread: Thread | None, words: Words) -> None:
        """Show words to a user; in a channel without a thread beside its messages."""
        text = words.text.translate(self.languages.find_personal(user))
        blocks = [*texts.context_blocks(text), *words.more_blocks]
        if thread is not None and _is_direct(channel):
            self.poster.post_in_thread(thread, text, blocks=blocks, retry=False)
        else:
            thread_ts = None if thread is None else thread.ts
            self.poster.post_ephemeral(
                channel, user, text, thread_ts=thread_ts, blocks=blocks, retry=False
            )


def retry_delay(error: Exception) -> float | None:
    """Return the seconds until a notice is tried again; `None` if it is not for that reason."""
    if isinstance(error, AppRefusedError):
        return REFUSED_DELAY_SECONDS
    return retry_after(error, keys.NOTICE_TTL_SECONDS)


def _is_direct(channel: str) -> bool:
    return channel.startswith("D")


def _read_count(text: str) -> int:
    """Return a count from Redis. Raises `ValueError` if it is none."""
    count = int(text)
    if not 0 <= count <= MAX_REFUSED:
        raise ValueError("not a count")
    return count
