"""Thread reader: reads whole threads from Slack, and finds the bot's messages in them."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from slack_sdk import WebClient

from bot.messages.asks.asked_message import AskedMessage
from bot.messages.message import AuthorKind, BotIdentity, Message, read_metadata
from contract.job import Thread
from contract.reply_files import parse_file_ids

MESSAGES_PER_PAGE: Final = 1000
"""Messages a page: Slack's maximum."""
MAX_PAGES: Final = 20
"""Pages of one thread; the rest of a longer thread is not cached, except by events."""

MAX_COPY_BYTES: Final = 256 * 1024
"""Bytes of a thread's copy: as many as a job may have."""
MAX_READ_BYTES: Final = MAX_COPY_BYTES * 3 // 4
"""Bytes of the messages that are kept of a read: the rest is room for events."""


@dataclass(frozen=True, slots=True)
class ThreadPages:
    """Newest messages of a thread; `trimmed` is the newest `ts` that was left out."""

    messages: tuple[Message, ...]
    people: frozenset[str]
    trimmed: str = ""


class ThreadReader:
    """Reader of threads. Methods raise `bot.slack.client.CALL_ERRORS`."""

    def __init__(
        self, client: WebClient, identity: BotIdentity, *, page_size: int = MESSAGES_PER_PAGE
    ) -> None:
        self._client = client
        self._identity = identity
        self._page_size = page_size

    def read_newest(self, thread: Thread) -> ThreadPages:
        """Read the root and the newest messages of a thread, and the authors of all."""
        people: set[str] = set()
        root: list[Message] = []
        newest: deque[tuple[Message, int]] = deque()
        num_bytes, trimmed = 0, ""
        for raw in self._fetch_pages(thread):
            message = Message.from_slack(raw, self._identity)
            if message is None:
                continue
            people |= list_people([message])
            if message.ts == thread.ts:
                root = [message]
                continue
            length = len(message.model_dump_json().encode())
            newest.append((message, length))
            num_bytes += length
            while num_bytes > MAX_READ_BYTES and len(newest) > 1:
                dropped, length = newest.popleft()
                num_bytes, trimmed = num_bytes - length, dropped.ts
        return ThreadPages((*root, *(m for m, _ in newest)), frozenset(people), trimmed)

    def find_own_messages(
        self, thread: Thread, question_ts: str, files: frozenset[str] = frozenset()
    ) -> tuple[str, ...]:
        """
        Return the `ts` of the bot's messages that answer a question, in order, from Slack.

        Messages with a file that the reply names, or with one of `files` (Slack's ids), are
        included: they carry no metadata.
        """
        found = self._fetch_own_messages(thread, question_ts, files)
        return tuple(sorted(str(raw["ts"]) for raw in found))

    def find_whole_reply(
        self, thread: Thread, question_ts: str, files: frozenset[str]
    ) -> list[dict[str, Any]]:
        """
        Return the bot's messages that answer a question, from Slack, in order.

        A message with a file has no metadata: it belongs to the reply that names the file, or to
        the one above if that names none, or shares one of `files` (Slack's ids). One with words
        above its files is current code, and no part.
        """
        return [
            raw
            for question, raw in self._fetch_parts(thread)
            if question == question_ts or not files.isdisjoint(_list_file_ids(raw))
        ]

    def find_replies_with_files(self, thread: Thread) -> frozenset[str]:
        """Return the questions whose replies have files, from Slack."""
        parts = self._fetch_parts(thread)
        return frozenset(question for question, raw in parts if question and raw.get("files"))

    def find_question(self, thread: Thread, ts: str) -> str:
        """Return the question that a message of the bot answers, from Slack; empty if none."""
        parts = self._fetch_parts(thread)
        return next((question for question, raw in parts if raw.get("ts") == ts), "")

    def _fetch_parts(
        self, thread: Thread, *, by_position: bool = True
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """
        Yield each message of the bot with the question that it answers, empty if none.

        With `by_position`, a file below a reply that names no files counts as a part of it.
        """
        above = ""
        owners: dict[str, str] = {}
        naming: set[str] = set()
        for raw in self._fetch_pages(thread):
            if not self._identity.is_author_of(raw):
                continue
            payload, question = read_metadata(raw), ""
            if payload:
                above = question = str(payload.get("question") or "")
                files = parse_file_ids(payload)
                if files is not None:
                    naming.add(question)
                    owners |= dict.fromkeys(files, question)
            elif raw.get("files"):
                # A reply's first message is above all its files, wherever they are.
                named = (owners[one] for one in _list_file_ids(raw) if one in owners)
                is_below = by_position and not raw.get("text") and above not in naming
                question = next(named, above if is_below else "")
            yield question, raw

    def read_message(self, channel: str, thread_ts: str, ts: str) -> dict[str, Any]:
        """Return one message from Slack, or nothing; `thread_ts` may be empty."""
        answer = self._client.conversations_replies(
            channel=channel,
            ts=thread_ts or ts,
            oldest=ts,
            latest=ts,
            inclusive=True,
            limit=self._page_size,
            include_all_metadata=True,
        )
        return next((m for m in _as_list(answer.get("messages")) if m.get("ts") == ts), {})

    def find_asked(self, thread: Thread, request: str) -> dict[str, Any] | None:
        """Return the message that the bot posted for a person by a request, from Slack."""
        for raw in self._fetch_pages(thread):
            if self.is_asked(raw, request):
                return raw
        return None

    def find_asked_root(self, channel: str, request: str, since: str) -> dict[str, Any] | None:
        """Return the root that the bot posted for a person at `since` or later, from Slack."""
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            answer = self._client.conversations_history(
                channel=channel, oldest=since, limit=self._page_size, cursor=cursor
            )
            for raw in _as_list(answer.get("messages")):
                if self.is_asked(raw, request):
                    return raw
            before, cursor = cursor, (answer.get("response_metadata") or {}).get("next_cursor")
            if not cursor or cursor == before:
                return None
        return None

    def is_asked(self, raw: dict[str, Any], request: str | None = None) -> bool:
        """Return whether the bot posted a message for a person, by this request if one is given."""
        asked = AskedMessage.from_slack(raw) if self._identity.is_author_of(raw) else None
        return asked is not None and request in {None, asked.request}

    def read_own_message(self, thread: Thread, question_ts: str, ts: str) -> dict[str, Any]:
        """Return the bot's message at `ts` that answers a question, from Slack, or nothing."""
        found = self._fetch_own_messages(thread, question_ts, frozenset())
        return next((raw for raw in found if raw.get("ts") == ts), {})

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
            for question, raw in self._fetch_parts(thread, by_position=False)
            if (question and question == question_ts) or not files.isdisjoint(_list_file_ids(raw))
        ]

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


def list_people(messages: Iterable[Message]) -> frozenset[str]:
    """Return the ids of the people among the authors of messages."""
    return frozenset(m.author for m in messages if m.kind is AuthorKind.PERSON)


def _as_list(value: Any) -> list[dict[str, Any]]:
    return value if isinstance(value, list) else []


def _list_file_ids(raw: dict[str, Any]) -> list[str]:
    return [str(file.get("id")) for file in _as_list(raw.get("files"))]


def _last_changed(raw: dict[str, Any]) -> float:
    """Return when Slack took a message or its last edit (s since the epoch)."""
    return float((raw.get("edited") or {}).get("ts") or raw["ts"])
