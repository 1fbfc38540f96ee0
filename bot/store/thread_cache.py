"""
The bot's own copy of a thread: read from Slack once, with all pages, and kept true by events.

The copy is a hash of `ts` to version and message. Events may come while the pages are still being
read, twice, or in the wrong order: what an event said is never overwritten by a page, nor by an
event that is older. A deleted message leaves an empty entry behind, for the same reason.
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
from bot.messages.identity import BotIdentity
from bot.messages.message import Message, read_metadata
from bot.store.client import decode_reply
from contract import keys
from contract.job import Thread

log = structlog.get_logger()

MESSAGES_PER_PAGE: Final = 1000
"""Messages asked for at once; the most that Slack gives."""
MAX_PAGES: Final = 20
"""A longer thread is read from its beginning so far; events keep adding to it."""

STATE_FIELD: Final = "state"
"""Field of the copy that says whether all pages have been read."""
COMPLETE: Final = "whole"

UNREADABLE_ERRORS: Final = frozenset(
    {
        "missing_scope",
        "not_in_channel",
        "channel_not_found",
        "thread_not_found",
        "no_permission",
        "access_denied",
        "ekm_access_denied",
        "accesslimited",
        "team_access_not_granted",
        "enterprise_is_restricted",
        "channel_is_limited_access",
        "method_not_supported_for_channel_type",
    }
)
"""Slack's errors that say that the bot may not read this thread, and will not by trying again."""

PUT_SCRIPT: Final = """
local held = tonumber(ARGV[4])
if redis.call('EXISTS', KEYS[1]) == 0 then
  if held == 0 then return 0 end
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3])
  redis.call('EXPIRE', KEYS[1], held)
  return 1
end
local old = redis.call('HGET', KEYS[1], ARGV[1])
if old and string.sub(old, 1, string.find(old, ' ') - 1) > ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3])
return 1
"""
"""
Write one entry, if there is a copy and nothing newer is known. Versions have a fixed width. Where
there is no copy, one that is not whole is begun for so many seconds, if any are given.
"""

EARLY_TTL_SECONDS: Final = 600
"""Seconds in which a message may come after its own edit: Slack gives up sooner."""

PAGE_VERSION: Final = "0"
"""The version of what a page said: older than any event."""


class ThreadCache:
    """
    The copies of all threads in which the bot takes part.

    Raises `redis.exceptions.RedisError`, and `bot.slack.errors.CALL_ERRORS` if Slack cannot be
    read now but may be later.
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
        self._put_script = redis.register_script(PUT_SCRIPT)
        self._locks = KeyedLock()

    @staticmethod
    def seed_thread(thread: Thread, root: Message, pipe: Pipeline) -> None:
        """Start the copy of a thread that consists of its root alone."""
        pipe.hsetnx(_thread_key(thread), root.ts, _encode_entry(PAGE_VERSION, root))
        pipe.hsetnx(_thread_key(thread), STATE_FIELD, COMPLETE)
        pipe.expire(_thread_key(thread), keys.TEXT_TTL_SECONDS)

    def get_messages(self, thread: Thread) -> tuple[Message, ...] | None:
        """Return the messages of a thread if there is a whole copy."""
        stored = self._redis.hgetall(_thread_key(thread))
        fields = {decode_reply(field): decode_reply(value) for field, value in stored.items()}
        if fields.pop(STATE_FIELD, None) != COMPLETE:
            return None
        found = (_decode_entry(value) for _, value in sorted(fields.items()))
        return tuple(message for message in found if message is not None)

    def load_messages(self, thread: Thread) -> tuple[Message, ...] | None:
        """Return the messages of a thread, from Slack if need be; `None` if it may not be read."""
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
        Enter a new or changed message; `version` is the `ts` of the event that brought it.

        What may come `early`, before the message that it changes, is kept for a while in any case.
        """
        said = [
            message.ts,
            version,
            message.model_dump_json(),
            EARLY_TTL_SECONDS if may_precede_message else 0,
        ]
        self._put_script(keys=[_thread_key(thread)], args=said)

    def get_latest(self, thread: Thread, ts: str) -> Message | None:
        """Return what is known of one message, also where there is no whole copy."""
        found = self._redis.hget(_thread_key(thread), ts)
        return None if found is None else _decode_entry(decode_reply(found))

    def tombstone_message(self, thread: Thread, ts: str, version: str) -> None:
        """Forget a message for good, and the worker's answer to it."""
        self._put_script(keys=[_thread_key(thread)], args=[ts, version, "", 0])
        self._redis.hdel(keys.answer_cache(thread.team, thread.channel, thread.ts), ts)

    @staticmethod
    def extend_ttl(thread: Thread, pipe: Pipeline) -> None:
        """Keep the copy for another while: the bot was just asked in it."""
        pipe.expire(_thread_key(thread), keys.TEXT_TTL_SECONDS)

    def find_own_messages(
        self, thread: Thread, question_ts: str, files: frozenset[str] = frozenset()
    ) -> tuple[str, ...]:
        """
        Return our messages in answer to a question, as Slack has them now, in their order.

        Those that show one of `files` (Slack's ids) are among them: they cannot say what they are.
        """
        own_messages = (
            raw for raw in self._fetch_pages(thread) if self._identity.is_author_of(raw)
        )
        found = [
            raw
            for raw in own_messages
            if read_metadata(raw).get("question") == question_ts
            or any(file.get("id") in files for file in _as_list(raw.get("files")))
        ]
        return tuple(sorted(str(raw["ts"]) for raw in found))

    def _fetch_thread(self, thread: Thread) -> bool:
        key = _thread_key(thread)
        # From here on events are entered, so that nothing falls between them and the pages.
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
            # A page that names itself as the next one would be read for ever.
            if not cursor or cursor == before:
                return


def _thread_key(thread: Thread) -> str:
    return keys.thread_cache(thread.team, thread.channel, thread.ts)


def _encode_entry(version: str, message: Message) -> str:
    return f"{version} {message.model_dump_json()}"


def _decode_entry(value: str) -> Message | None:
    """Read an entry; `None` if the message was deleted, or is none that this version knows."""
    _, _, encoded = value.partition(" ")
    try:
        return Message.model_validate_json(encoded) if encoded else None
    except ValidationError:
        return None


def _as_list(value: Any) -> list[dict[str, Any]]:
    return value if isinstance(value, list) else []
