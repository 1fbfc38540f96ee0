"""Reader of the workspace: waits for a person's message, and for the bot's reply to it."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from slack_sdk.errors import SlackApiError

from bot.messages.content.json_fields import Json
from bot.messages.message import FINAL_STATE, BotIdentity, read_metadata
from bot.slack.client import SlackWebClient, error_name, rate_limit_seconds

ITEMS_PER_READ: Final = 50
GONE_ERRORS: Final = frozenset({"message_not_found", "thread_not_found"})

Found = TypeVar("Found")


class StepFailedError(Exception):
    """A step failed; the message says why, without a text of the workspace."""


@dataclass(frozen=True, slots=True)
class Question:
    """A person's message in its thread."""

    channel: str
    thread_ts: str
    message: Json

    @property
    def ts(self) -> str:
        """Slack's timestamp of the message."""
        return str(self.message["ts"])

    @property
    def user(self) -> str:
        """The person who wrote it."""
        return str(self.message["user"])


@dataclass(frozen=True, slots=True)
class Observer:
    """
    Reads with the bot's token every `poll_seconds`, for at most `timeout_seconds` a wait.

    Methods raise `StepFailedError` after that time, and `SlackApiError` if Slack refuses a call.
    """

    web_client: SlackWebClient
    identity: BotIdentity
    timeout_seconds: float
    poll_seconds: float
    _never: threading.Event = field(default_factory=threading.Event)

    def find_latest(self, channel: str) -> str:
        """Return the timestamp of the latest message in a channel; 0 if there is none."""
        return max((str(message["ts"]) for message in self.read_channel(channel)), default="0")

    def wait_for_question(
        self,
        channel: str,
        oldest: str,
        is_expected: Callable[[Json], bool],
        thread_ts: str | None = None,
    ) -> Question:
        """Wait for a person's message after `oldest`, in a channel or in one of its threads."""

        def find_question() -> Question | None:
            found = (
                self._read_thread(channel, thread_ts) if thread_ts else self.read_channel(channel)
            )
            for message in found:
                is_new = float(message["ts"]) > float(oldest)
                if is_new and _is_by_person(message) and is_expected(message):
                    return Question(channel, thread_ts or str(message["ts"]), message)
            return None

        return self.wait_until(find_question, "no such message was seen")

    def wait_for_final(
        self, question: Question, is_expected: Callable[[Json], bool] = bool
    ) -> list[Json]:
        """Wait until all messages of the reply to a question are final and one is as expected."""

        def find_final() -> list[Json] | None:
            messages = self.read_reply(question)
            is_final = all(read_metadata(raw).get("state") == FINAL_STATE for raw in messages)
            return messages if is_final and any(map(is_expected, messages)) else None

        return self.wait_until(find_final, "no complete reply was seen")

    def read_reply(self, question: Question) -> list[Json]:
        """Return the bot's messages for a question, the first one first."""
        messages = self.read_thread(question)
        return [raw for raw in messages if read_metadata(raw).get("question") == question.ts]

    def read_thread(self, question: Question) -> list[Json]:
        """Return the bot's messages in the thread of a question, the first one first."""
        messages = self._read_thread(question.channel, question.thread_ts)
        return [raw for raw in messages if self.identity.is_author_of(raw)]

    def wait_until(self, find: Callable[[], Found | None], failure: str) -> Found:
        """Call `find` until it returns something."""
        deadline = time.monotonic() + self.timeout_seconds
        while time.monotonic() < deadline:
            try:
                found = find()
            except SlackApiError as error:
                seconds = rate_limit_seconds(error)
                if seconds is None:
                    raise
                self._never.wait(seconds)
                continue
            if found is not None:
                return found
            self._never.wait(self.poll_seconds)
        raise StepFailedError(f"{failure} within {self.timeout_seconds:.0f} s")

    def read_channel(self, channel: str) -> list[Json]:
        """Return the latest messages of a channel, without deleted ones."""
        answer = self.web_client.conversations_history(
            channel=channel, limit=ITEMS_PER_READ, include_all_metadata=True
        )
        return [raw for raw in answer["messages"] if raw.get("subtype") != "tombstone"]

    def list_direct_channels(self, user: str) -> Iterator[str]:
        """Yield the direct message channels of a person."""
        answer = self.web_client.users_conversations(types="im", limit=ITEMS_PER_READ * 4)
        yield from (str(one["id"]) for one in answer["channels"] if one.get("user") == user)

    def _read_thread(self, channel: str, thread_ts: str) -> list[Json]:
        arguments: dict[str, Any] = {"limit": ITEMS_PER_READ * 4, "include_all_metadata": True}
        try:
            answer = self.web_client.conversations_replies(
                channel=channel, ts=thread_ts, **arguments
            )
        except SlackApiError as error:
            if error_name(error) in GONE_ERRORS:
                return []
            raise
        return list(answer["messages"])


def _is_by_person(message: Json) -> bool:
    return bool(message.get("user")) and not message.get("bot_id")
