"""
Deletion of replies: *Delete* or the reaction 🗑 removes all messages and files of a reply.

A question that the bot posted for the asker is deleted with it. A reply that still grows is ended
first, so that its worker posts nothing afterwards.

The request is in Redis before its acknowledgement, so any bot completes what another one began. A
reaction names a message alone: which reply that is, and whose, is read from Slack later.
"""

import re
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog
from redis import Redis

from bot.concurrency import BackgroundTasks
from bot.current_code.summary import find_requester
from bot.failpoints import Failpoint
from bot.handlers.notice_outbox import NoticeOutbox
from bot.handlers.personal_notices import retry_delay
from bot.handlers.votes.reply_source import ReplySource
from bot.messages.block_actions import DeletionRequested
from bot.messages.events import DeletionReaction
from bot.notices import Notice, Sentence
from bot.slack.client import CALL_ERRORS, error_name, is_refusal
from bot.slack.poster import Poster
from bot.store.client import decode_reply, read_clock, retry_redis
from bot.store.job_queue import JobQueue
from bot.store.stops import Stops
from bot.store.thread_cache import ThreadCache
from contract import keys
from contract.answers import previous_field
from contract.job import SLACK_ID_PATTERN, TIMESTAMP_PATTERN, Thread, job_id

log = structlog.get_logger()

RETRY_SECONDS: Final = 30.0
"""Seconds until another attempt, also of a bot that died during the first."""
END_SECONDS: Final = 1.0
"""Seconds until another look whether the worker of a growing reply has ended it."""
MAX_DUE_DELETIONS: Final = 100
REACTION_MEMBER: Final = re.compile(r"([A-Z0-9]{1,64}):([0-9.]{1,24}):@([A-Z0-9]{1,64})", re.ASCII)
"""Member of the schedule for a reaction: channel, message and user."""


@dataclass(frozen=True, slots=True)
class ReplyDeletion:
    """Deletes replies for the person who asked, and for `administrators`. Raises `RedisError`."""

    redis: Redis
    team: str
    administrators: frozenset[str]
    queue: JobQueue
    thread_cache: ThreadCache
    poster: Poster
    notices: NoticeOutbox
    background: BackgroundTasks
    stops: Stops
    source: ReplySource

    def delete_by_button(self, request: DeletionRequested) -> None:
        """Delete the reply whose button a person pressed; in a direct message, anyone may."""
        if self._may_delete(request.thread, request.asker, request.user):
            self._record(_name_reply(request.thread, request.ts))

    def delete_by_reaction(self, reaction: DeletionReaction) -> None:
        """Delete the reply to one of whose messages a person reacted, if the person may."""
        self._record(f"{reaction.channel}:{reaction.ts}:@{reaction.user}")

    def _may_delete(self, thread: Thread, asker: str, user: str) -> bool:
        """Return whether a user may delete a reply; tell the user if not."""
        if thread.channel.startswith("D") or user in {asker, *self.administrators}:
            return True
        self.notices.tell_user(thread, user, Notice(Sentence.DELETE_REFUSED))
        return False

    def _record(self, member: str) -> None:
        due = read_clock(self.redis) + RETRY_SECONDS
        self.redis.zadd(keys.deletion_schedule(self.team), {member: due})
        self.notices.failpoints.hit(Failpoint.AFTER_DELETION_RECORD)
        log.info("deletion requested", channel=member.partition(":")[0])
        self.background.submit("delete reply", self._delete_reply, member)

    def delete_due(self) -> None:
        """Complete the deletions that other bots have left."""
        now = read_clock(self.redis)
        schedule = keys.deletion_schedule(self.team)
        due: Any = self.redis.zrangebyscore(schedule, "-inf", now, 0, MAX_DUE_DELETIONS)
        for member in map(decode_reply, due):
            self._delete_reply(member)

    def _delete_reply(self, member: str) -> None:
        delay = None
        try:
            delay = self._try_to_delete(member)
        except CALL_ERRORS as error:
            log.warning("reply not deleted", why=error_name(error))
            delay = retry_delay(error)
            delay = None if delay is None and is_refusal(error) else delay or RETRY_SECONDS
        schedule = keys.deletion_schedule(self.team)
        if delay is None:
            retry_redis(partial(self.redis.zrem, schedule, member))
        else:
            due = retry_redis(partial(read_clock, self.redis)) + delay
            retry_redis(partial(self.redis.zadd, schedule, {member: due}, xx=True))

    def _try_to_delete(self, member: str) -> float | None:
        """Delete a reply; return the seconds until another attempt, `None` if none is due."""
        if reaction := REACTION_MEMBER.fullmatch(member):
            self._resolve_reaction(*reaction.groups())
            return None
        address = _parse_member(self.team, member)
        if address is None:
            return None
        thread, ts = address
        job = job_id(thread.team, thread.channel, ts)
        if self._end_job(job):
            return END_SECONDS
        files = retry_redis(partial(self.queue.find_reply_files, job))
        answers = keys.answer_cache(thread.team, thread.channel, thread.ts)
        retry_redis(partial(self.redis.hdel, answers, ts, previous_field(ts)))
        # The first message goes last: another attempt finds the files by the names in it.
        for raw in reversed(self.thread_cache.find_whole_reply(thread, ts, files)):
            self._delete_message(thread, raw)
            self.notices.failpoints.hit(Failpoint.AFTER_PART_DELETED)
        # Its person cannot delete a question that the bot posted.
        question = self.thread_cache.read_message(thread.channel, thread.ts, ts)
        if self.thread_cache.is_asked(question):
            self.poster.delete_message(thread.channel, ts)
        return None

    def _resolve_reaction(self, channel: str, ts: str, user: str) -> None:
        """Record the deletion of the reply with a message, if the user may delete it."""
        job = retry_redis(partial(self.stops.find_by_reply, channel, ts))
        if job is not None:
            thread, question, asker = job.thread, job.ts, job.user
        else:
            found = self.source.find_reply(channel, "", ts)
            if found is None:
                self._delete_code(channel, ts, user)
                return
            thread, question, asker = found.thread, found.question_ts, found.asker
        if self._may_delete(thread, asker, user):
            self._record(_name_reply(thread, question))

    def _delete_code(self, channel: str, ts: str, user: str) -> None:
        """Delete a message with current code, if the user may delete it."""
        raw = self.source.find_code_message(channel, ts)
        requester = find_requester(str(raw.get("text") or ""))
        if requester:
            thread = Thread(team=self.team, channel=channel, ts=str(raw["thread_ts"]))
            if self._may_delete(thread, requester, user):
                self._delete_message(thread, dict(raw))

    def _end_job(self, job: str) -> bool:
        """Take a job from the workers; return whether one still runs it."""
        found = retry_redis(partial(self.stops.find_job, job))
        if found is None or not found.is_open:
            return False
        retry_redis(partial(self.queue.cancel_job, job))
        found = retry_redis(partial(self.stops.find_job, job))
        return found is not None and found.is_open

    def _delete_message(self, thread: Thread, raw: dict[str, Any]) -> None:
        for file in raw.get("files") or []:
            if isinstance(file, dict) and re.fullmatch(SLACK_ID_PATTERN, str(file.get("id"))):
                self.poster.delete_file(str(file["id"]))
        self.poster.delete_message(thread.channel, str(raw["ts"]))


def _name_reply(thread: Thread, ts: str) -> str:
    return f"{thread.channel}:{thread.ts}:{ts}"


def _parse_member(team: str, member: str) -> tuple[Thread, str] | None:
    """Return thread and question of a member of the schedule; `None` if it is malformed."""
    channel, _, rest = member.partition(":")
    root, _, ts = rest.partition(":")
    timestamps = (re.fullmatch(TIMESTAMP_PATTERN, one) for one in (root, ts))
    if not re.fullmatch(SLACK_ID_PATTERN, channel) or not all(timestamps):
        return None
    return Thread(team=team, channel=channel, ts=root), ts
