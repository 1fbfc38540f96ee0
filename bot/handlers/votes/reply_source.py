"""Source of voted replies: what Slack's message says of a reply, and its texts with consent."""

import json
from dataclasses import dataclass
from typing import Final

from slack_sdk.errors import SlackApiError

from bot.handlers.votes.vote_texts import VoteTexts
from bot.messages.content.json_fields import Json, get_text, list_mappings
from bot.messages.message import (
    FINAL_STATE,
    POINTER_STATE,
    BotIdentity,
    read_metadata,
)
from bot.messages.votes.entries import CastVote
from bot.records.votes import ReplyKey, VotedReply
from bot.slack.budget import pace_calls
from bot.slack.client import error_name
from bot.store.thread_cache import ThreadCache
from contract.job import Thread
from contract.reply_controls import DELETE_ACTION_ID, DETAILS_ACTION_ID, ReplyAddress
from contract.reply_details import ReplyDetails
from contract.slack_budget import Priority
from contract.slack_errors import UNREADABLE_ERRORS

MAX_WAIT_SECONDS: Final = 5.0
"""Longest wait for the budget of a read."""
FIRST_PART: Final = 1


@dataclass(frozen=True, slots=True)
class FoundReply:
    """A finished reply as Slack has it; `raw` is its first message."""

    raw: Json
    thread: Thread
    question_ts: str
    details: ReplyDetails
    asker: str = ""
    """The user who asked; empty if the message does not say."""
    is_pointer: bool = False
    """Whether it only points to an earlier answer: it can be deleted, and has no votes."""


@dataclass(frozen=True, slots=True)
class ReplySource:
    """Reader of replies. Methods raise `CALL_ERRORS`, and `RedisError` for texts."""

    identity: BotIdentity
    thread_cache: ThreadCache
    texts: VoteTexts | None = None
    """Reader of texts, if the workspace's operator allows them in the database."""

    def find_reply(
        self,
        channel: str,
        thread_ts: str,
        message_ts: str,
        priority: Priority = Priority.BACKGROUND,
        max_wait: float = MAX_WAIT_SECONDS,
    ) -> FoundReply | None:
        """
        Return the finished reply whose message this is; `None` if there is none.

        `thread_ts` may be empty. A reaction may be to any message of the reply. Each call waits
        `max_wait` seconds for the budget at most.
        """
        with pace_calls(priority, max_wait):
            try:
                raw = self.thread_cache.read_message(channel, thread_ts, message_ts)
                found = self._parse_reply(channel, raw)
                if found is not None and read_metadata(raw).get("part", FIRST_PART) == FIRST_PART:
                    return found
                return self._find_first_part(channel, raw, found)
            except SlackApiError as error:
                if error_name(error) in UNREADABLE_ERRORS:
                    return None
                raise

    def _find_first_part(
        self, channel: str, raw: Json, found: FoundReply | None
    ) -> FoundReply | None:
        """Return the reply of a later message: a file names no question."""
        thread_ts = get_text(raw, "thread_ts")
        is_file = self.identity.is_author_of(raw) and raw.get("files") and not raw.get("text")
        if not thread_ts or not (found or is_file):
            return None
        thread = Thread(team=self.identity.team, channel=channel, ts=thread_ts)
        question = self.thread_cache.find_question(thread, get_text(raw, "ts"))
        own = self.thread_cache.find_own_messages(thread, question) if question else ()
        first = self.thread_cache.read_message(channel, thread_ts, own[0]) if own else {}
        return self._parse_reply(channel, first)

    def find_code_message(self, channel: str, message_ts: str) -> Json:
        """Return a message with current code; nothing if it is another one."""
        with pace_calls(Priority.BACKGROUND, MAX_WAIT_SECONDS):
            raw = self.thread_cache.read_message(channel, "", message_ts)
        is_code = self.identity.is_author_of(raw) and raw.get("files") and not read_metadata(raw)
        return raw if is_code and get_text(raw, "thread_ts") else {}

    def describe_reply(self, found: FoundReply, vote: CastVote) -> tuple[ReplyKey, VotedReply]:
        """Return the key and the facts of a reply for the database, with its texts if allowed."""
        version = found.details.reply_id if vote.version is None else vote.version
        channel, team = found.thread.channel, self.identity.team
        key = ReplyKey(team, channel, str(found.raw["ts"]), version)
        if version != found.details.reply_id:
            # The message shows another version of the reply by now.
            return key, VotedReply(found.thread.ts, "{}")
        facts = json.dumps(found.details.model_dump() | {"question_ts": found.question_ts})
        if self.texts is None:
            return key, VotedReply(found.thread.ts, facts)
        texts = self.texts.read_texts(found.thread, found.question_ts, version)
        return key, VotedReply(found.thread.ts, facts, *texts)

    def _parse_reply(self, channel: str, raw: Json) -> FoundReply | None:
        payload, thread_ts = read_metadata(raw), get_text(raw, "thread_ts")
        question = payload.get("question")
        state = payload.get("state")
        if not self.identity.is_author_of(raw) or state not in {FINAL_STATE, POINTER_STATE}:
            return None
        if not isinstance(question, str) or not thread_ts:
            return None
        thread = Thread(team=self.identity.team, channel=channel, ts=thread_ts)
        is_pointer = state == POINTER_STATE
        value = _read_value(raw, DELETE_ACTION_ID if is_pointer else DETAILS_ACTION_ID)
        return FoundReply(
            raw, thread, question, read_details(raw), _parse_asker(value), is_pointer=is_pointer
        )


def read_details(raw: Json) -> ReplyDetails:
    """Return the details that a reply's message carries in its button; empty ones without it."""
    try:
        return ReplyDetails.from_value(_read_value(raw, DETAILS_ACTION_ID).split(" ", 3)[3])
    except (ValueError, IndexError):
        return ReplyDetails()


def _read_value(raw: Json, action_id: str) -> str:
    for block in list_mappings(raw, "blocks"):
        for element in list_mappings(block, "elements"):
            if element.get("action_id") == action_id:
                return get_text(element, "value")
    return ""


def _parse_asker(value: str) -> str:
    try:
        return ReplyAddress.from_value(" ".join(value.split(" ", 3)[:3])).asker
    except ValueError:
        return ""
