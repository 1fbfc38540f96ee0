"""
Thread cache: copies of threads, read from Slack once and updated by events.

A copy is a hash of `ts` to version and message. Events may arrive while pages are read, twice, or
out of order. An event's entry is therefore never overwritten by a page or by an older event. A
deleted message leaves a tombstone, for the same reason.
"""

from collections.abc import Iterator
from typing import Any, Final

import structlog
from pydantic import ValidationError
from redis import Redis
from redis.client import Pipeline
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.concurrency import KeyedLock
from bot.messages.message import BotIdentity, Message, read_metadata
from bot.store.client import decode_reply
from bot.store.scripts import load_script
from contract import keys
from contract.job import Thread
from contract.slack_errors import UNREADABLE_ERRORS

log = structlog.get_logger()

MESSAGES_PER_PAGE: Final = 1000
"""Messages a page: Slack's maximum."""
MAX_PAGES: Final = 20
"""Pages of one thread; the rest of a longer thread is not cached, except by events."""

STATE_FIELD: Final = "state"
"""Field with the state of a copy: whether all pages have been read."""
COMPLETE: Final = "complete"

EARLY_TTL_SECONDS: Final = 600
"""TTL of an edit that precedes its message: longer than Slack's redeliveries."""

PAGE_VERSION: Final = "0"
"""Version of an entry from a page: older than any event."""


class ThreadCache:
    """
    Cache of all threads in which the bot participates.

    Methods raise `redis.exceptions.RedisError`. Those that read Slack also raise
    `bot.slack.client.CALL_ERRORS` if a retry may succeed.
    """

    def __init__(
        self,
        redis: Redis,
        client: WebClient,
        identity: BotIdentity,
        *,
        page_size: int = MESSAGES_PER_PAGE,
    ) -> None:
        self._redis = redis
        self._client = client
        self._identity = identity
        self._page_size = page_size
        self._put_script = redis.register_script(load_script("put_message"))
        self._locks = KeyedLock()

    @staticmethod
    def seed_thread(thread: Thread, root: Message, pipe: Pipeline) -> None:
        """Cache a new thread that consists of its root alone."""
        pipe.hsetnx(_thread_key(thread), root.ts, _encode_entry(PAGE_VERSION, root))
        pipe.hsetnx(_thread_key(thread), STATE_FIELD, COMPLETE)
        pipe.expire(_thread_key(thread), keys.TEXT_TTL_SECONDS)

    def get_messages(self, thread: Thread) -> tuple[Message, ...] | None:
        """Return the messages of a thread from a complete copy; `None` if there is none."""
        stored = self._redis.hgetall(_thread_key(thread))
        fields = {decode_reply(field): decode_reply(value) for field, value in stored.items()}
        if fields.pop(STATE_FIELD, None) != COMPLETE:
            return None
        found = (_decode_entry(value) for _, value in sorted(fields.items()))
        return tuple(message for message in found if message is not None)

    def load_messages(self, thread: Thread) -> tuple[Message, ...] | None:
        """Return the messages of a thread, from Slack if not cached; `None` if unreadable."""
        found = self.get_messages(thread)
        if found is not None:
            return found
        with self._locks.hold(_thread_key(thread)):
            found = self.get_messages(thread)
            if found is not None or not self._fetch_thread(thread):
                return found
        return self.get_messages(thread)

    def put_message(
        self, thread: Thread, message: Message, version: str, *, may_precede_message: bool = False
    ) -> None:
        """
        Write a new or changed message; `version` is the `ts` of its event.

        An edit that may precede its message is cached even if its thread is not.
        """
        entry = [
            message.ts,
            version,
            message.model_dump_json(),
            EARLY_TTL_SECONDS if may_precede_message else 0,
        ]
        self._put_script(keys=[_thread_key(thread)], args=entry)

    def get_latest(self, thread: Thread, ts: str) -> Message | None:
        """Return the latest version of one message, also from a partial copy."""
        found = self._redis.hget(_thread_key(thread), ts)
        return None if found is None else _decode_entry(decode_reply(found))

    def tombstone_message(self, thread: Thread, ts: str, version: str) -> None:
        """Delete a message and the worker's cached answer to it; leave a tombstone."""
        self._put_script(keys=[_thread_key(thread)], args=[ts, version, "", 0])
        self._redis.hdel(keys.answer_cache(thread.team, thread.channel, thread.ts), ts)

    @staticmethod
    def extend_ttl(thread: Thread, pipe: Pipeline) -> None:
        """Renew the TTL of a copy: its thread was just used."""
        pipe.expire(_thread_key(thread), keys.TEXT_TTL_SECONDS)

    def find_own_messages(
        self, thread: Thread, question_ts: str, files: frozenset[str] = frozenset()
    ) -> tuple[str, ...]:
        """
        Return the `ts` of the bot's messages that answer a question, in order, from Slack.

        Messages that share one of `files` (Slack's ids) are included: they carry no metadata.
        """
        found = self._fetch_own_messages(thread, question_ts, files)
        return tuple(sorted(str(raw["ts"]) for raw in found))

    def find_reply_since(
        self, thread: Thread, question_ts: str, since: str, files: frozenset[str]
    ) -> tuple[str, ...]:
        """
        Return the messages of a reply, as `find_own_messages`, if Slack got its end after `since`.

        `since` is a Slack timestamp, so that only Slack's clock decides.
        """
        found = self._fetch_own_messages(thread, question_ts, files)
        if not any(_last_changed(raw) >= float(since) for raw in found):
            return ()
        return tuple(sorted(str(raw["ts"]) for raw in found))

    def _fetch_own_messages(
        self, thread: Thread, question_ts: str, files: frozenset[str]
    ) -> list[dict[str, Any]]:
        return [
            raw
            for raw in self._fetch_pages(thread)
            if self._identity.is_author_of(raw)
            and (
                read_metadata(raw).get("question") == question_ts
                or any(file.get("id") in files for file in _as_list(raw.get("files")))
            )
        ]

    def _fetch_thread(self, thread: Thread) -> bool:
        key = _thread_key(thread)
        # From here on events are cached, so that none is lost between them and the pages.
        self._redis.hset(key, STATE_FIELD, "reading")
        self._redis.expire(key, keys.TEXT_TTL_SECONDS)
        try:
            read = [Message.from_slack(raw, self._identity) for raw in self._fetch_pages(thread)]
        except SlackApiError as error:
            if error.response.get("error") not in UNREADABLE_ERRORS:
                raise
            log.warning("thread not readable", channel=thread.channel, why=error.response["error"])
            self._redis.delete(key)
            return False
        messages = [message for message in read if message is not None]
        with self._redis.pipeline() as pipe:
            for message in messages:
                pipe.hsetnx(key, message.ts, _encode_entry(PAGE_VERSION, message))
            pipe.hset(key, STATE_FIELD, COMPLETE)
            pipe.expire(key, keys.TEXT_TTL_SECONDS)
            pipe.execute()
        log.info("thread read", channel=thread.channel, thread=thread.ts, messages=len(messages))
        return True

    def _fetch_pages(self, thread: Thread) -> Iterator[dict[str, Any]]:
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            answer = self._client.conversations_replies(
                channel=thread.channel,
                ts=thread.ts,
                limit=self._page_size,
                cursor=cursor,
                include_all_metadata=True,
            )
            yield from _as_list(answer.get("messages"))
            before, cursor = cursor, (answer.get("response_metadata") or {}).get("next_cursor")
            # Without this check, a page that names itself as the next one never ends.
            if not cursor or cursor == before:
                return


def _thread_key(thread: Thread) -> str:
    return keys.thread_cache(thread.team, thread.channel, thread.ts)


def _encode_entry(version: str, message: Message) -> str:
    return f"{version} {message.model_dump_json()}"


def _decode_entry(value: str) -> Message | None:
    """Decode an entry; `None` for a tombstone or another version's format."""
    _, _, encoded = value.partition(" ")
    try:
        return Message.model_validate_json(encoded) if encoded else None
    except ValidationError:
        return None


def _as_list(value: Any) -> list[dict[str, Any]]:
    return value if isinstance(value, list) else []


def _last_changed(raw: dict[str, Any]) -> float:
    """Return when Slack took a message or its last edit (s since the epoch)."""
    return float((raw.get("edited") or {}).get("ts") or raw["ts"])
