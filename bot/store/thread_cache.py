"""
Thread cache: copies of threads, read from Slack once and updated by events.

A copy is a hash of `ts` to version and message. Events may arrive while pages are read, twice, or
out of order. An event's entry is therefore never overwritten by a page or by an older event. A
deleted message leaves a tombstone, for the same reason.

A copy expires a fixed time after it was read, and holds the newest bytes of a longer thread.
"""

from typing import Final

import structlog
from pydantic import ValidationError
from redis import Redis
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.concurrency import KeyedLock
from bot.messages.message import AuthorKind, BotIdentity, Message
from bot.store.client import decode_reply
from bot.store.file_texts import FileTexts
from bot.store.scripts import ScriptCall, load_script, load_text_script
from bot.store.thread_reader import (
    MAX_COPY_BYTES,
    MESSAGES_PER_PAGE,
    ThreadPages,
    ThreadReader,
    list_people,
)
from contract import keys
from contract.answers import previous_field
from contract.job import Thread
from contract.slack_errors import THREAD_NOT_FOUND, UNREADABLE_ERRORS

log = structlog.get_logger()

STATE_FIELD: Final = "state"
"""Field with the state of a copy: whether all pages have been read."""
COMPLETE: Final = "complete"

EARLY_TTL_SECONDS: Final = 600
"""TTL of an edit that precedes its message: longer than Slack's redeliveries."""
COPY_TTL_SECONDS: Final = keys.TEXT_TTL_SECONDS - EARLY_TTL_SECONDS
"""TTL of a copy, never renewed. An edit that was cached before the copy stays a day at most."""
TRIMMED_FIELD: Final = "trimmed"
"""Field with the newest `ts` that was dropped because the copy has no room for it."""
ALL_PEOPLE: Final = "*"
"""Member that says that the people of a thread are complete."""
MAX_BYTES: Final = (MAX_COPY_BYTES, keys.MAX_TEXT_BYTES_PER_TEAM)
"""Bytes of a copy, and of all cached text of its team."""

DELETED_THREAD: Final = ThreadPages((), frozenset())
"""Thread that Slack does not know, or no more. It gets no copy: its root may be too new."""
PAGE_VERSION: Final = "0"
"""Version of an entry from a page: older than any event."""


class ThreadCache(ThreadReader):
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
        super().__init__(client, identity, page_size=page_size)
        self._redis = redis
        self._begin_script = redis.register_script(load_script("begin_read"))
        self._put_script = redis.register_script(load_text_script("put_message"))
        self._store_script = redis.register_script(load_text_script("store_copy"))
        self._file_texts = FileTexts(redis)
        self._locks = KeyedLock()

    def get_messages(self, thread: Thread) -> tuple[Message, ...] | None:
        """Return the messages of a thread from a complete copy; `None` if there is none."""
        stored = self._redis.hgetall(_thread_key(thread))
        fields = {decode_reply(field): decode_reply(value) for field, value in stored.items()}
        if fields.pop(STATE_FIELD, None) != COMPLETE:
            return None
        entries = (value for ts, value in sorted(fields.items()) if ts[:1].isdigit())
        return tuple(message for message in map(_decode_entry, entries) if message is not None)

    def load_messages(self, thread: Thread) -> tuple[Message, ...] | None:
        """
        Return the messages of a thread, from Slack if not cached.

        `None` if it is unreadable, empty if Slack knows no such thread.
        """
        found = self.get_messages(thread)
        if found is not None:
            return found
        with self._locks.hold(_thread_key(thread)):
            found = self.get_messages(thread)
            pages = None if found is not None else self._read_pages(thread, COPY_TTL_SECONDS)
            if pages is None:
                return found
            if pages is DELETED_THREAD:
                return ()
            is_stored = self._store_copy(thread, pages, "read")
        log.info(
            "thread read",
            channel=thread.channel,
            thread=thread.ts,
            messages=len(pages.messages),
            cached=is_stored,
        )
        # A copy that was dropped since the read began is not stored again.
        return self.get_messages(thread) or pages.messages

    def count_people(self, thread: Thread) -> int | None:
        """Count the people who have written in a thread, without its text; `None` if unreadable."""
        found = self.count_known_people(thread)
        if found is None:
            pages = self._read_pages(thread, 0)
            if pages is None or pages is DELETED_THREAD:
                return None
            self._store_copy(thread, ThreadPages((), pages.people), "people")
            found = self.count_known_people(thread)
        return found

    def count_known_people(self, thread: Thread) -> int | None:
        """Count the people who have written in a thread; `None` if Slack has to be asked."""
        key = _people_key(thread)
        with self._redis.pipeline() as pipe:
            pipe.sismember(key, ALL_PEOPLE)
            pipe.scard(key)
            is_complete, members = pipe.execute()
        return members - len(("", ALL_PEOPLE)) if is_complete else None

    def is_trimmed(self, thread: Thread, ts: str) -> bool:
        """Return whether a message may be missing because its copy holds newer ones only."""
        trimmed = self._redis.hget(_thread_key(thread), TRIMMED_FIELD)
        return trimmed is not None and ts != thread.ts and ts <= decode_reply(trimmed)

    def put_message(
        self, thread: Thread, message: Message, version: str, *, may_precede_message: bool = False
    ) -> None:
        """
        Write a new or changed message; `version` is the `ts` of its event.

        An edit that may precede its message is cached even if its thread is not.
        """
        author = message.author if message.kind is AuthorKind.PERSON else ""
        ttl = EARLY_TTL_SECONDS if may_precede_message else 0
        self._put_entry(thread, message.ts, version, message.model_dump_json(), ttl, author)

    def drop_removed_files(self, thread: Thread, message: Message) -> None:
        """Delete the texts of files that an edited message no longer has."""
        kept = [reference.id for reference in message.references]
        self._file_texts.drop_message_files(thread, message.ts, keep=kept)

    def _put_entry(self, thread: Thread, *entry: str | int) -> None:
        self._put_script(keys=_copy_keys(thread), args=[*entry, thread.ts, *MAX_BYTES])

    def get_latest(self, thread: Thread, ts: str) -> Message | None:
        """Return the latest version of one message, also from a partial copy."""
        found = self._redis.hget(_thread_key(thread), ts)
        return None if found is None else _decode_entry(decode_reply(found))

    def tombstone_message(self, thread: Thread, ts: str, version: str) -> None:
        """Delete a message, its files and the worker's answer to it; leave a tombstone."""
        self._put_entry(thread, ts, version, "", 0, "")
        self._file_texts.drop_message_files(thread, ts)
        self._redis.hdel(
            keys.answer_cache(thread.team, thread.channel, thread.ts), ts, previous_field(ts)
        )

    def _read_pages(self, thread: Thread, copy_ttl: int) -> ThreadPages | None:
        """Read a thread, with a copy for the events from here on if `copy_ttl` (s) is not 0."""
        self._begin_script(
            keys=[_thread_key(thread), _people_key(thread)],
            args=[copy_ttl, keys.THREAD_MODE_TTL_SECONDS],
        )
        try:
            return self.read_newest(thread)
        except SlackApiError as error:
            if error.response.get("error") not in UNREADABLE_ERRORS:
                raise
            log.warning("thread not readable", channel=thread.channel, why=error.response["error"])
            self._redis.delete(_thread_key(thread), _people_key(thread))
            return DELETED_THREAD if error.response["error"] == THREAD_NOT_FOUND else None

    def _store_copy(self, thread: Thread, pages: ThreadPages, scope: str) -> bool:
        call = _build_store_call(thread, pages, scope)
        return bool(self._store_script(keys=call.keys, args=call.args))


def build_seed_call(thread: Thread, root: Message) -> ScriptCall:
    """Return the call of `store_copy.lua` that caches a new thread of its root alone."""
    return _build_store_call(thread, ThreadPages((root,), list_people([root])), "new")


def _build_store_call(thread: Thread, pages: ThreadPages, scope: str) -> ScriptCall:
    entries = [
        part
        for message in pages.messages
        for part in (message.ts, _encode_entry(PAGE_VERSION, message))
    ]
    arguments: list[str | int | float] = [
        thread.ts,
        scope,
        COPY_TTL_SECONDS,
        keys.THREAD_MODE_TTL_SECONDS,
        *MAX_BYTES,
        pages.trimmed,
        len(pages.people),
        *pages.people,
        *entries,
    ]
    return ScriptCall(_copy_keys(thread), arguments)


def _thread_key(thread: Thread) -> str:
    return keys.thread_cache(thread.team, thread.channel, thread.ts)


def _people_key(thread: Thread) -> str:
    return keys.thread_people(thread.team, thread.channel, thread.ts)


def _copy_keys(thread: Thread) -> list[str]:
    index = [keys.text_index(thread.team), keys.text_sizes(thread.team)]
    return [_thread_key(thread), _people_key(thread), *index]


def _encode_entry(version: str, message: Message) -> str:
    return f"{version} {message.model_dump_json()}"


def _decode_entry(value: str) -> Message | None:
    """Decode an entry; `None` for a tombstone or another version's format."""
    _, _, encoded = value.partition(" ")
    try:
        return Message.model_validate_json(encoded) if encoded else None
    except ValidationError:
        return None
