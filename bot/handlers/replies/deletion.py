"""
Deletion of replies: the asker's *Delete* removes all messages and files of a reply.

A question that the bot posted for the asker is deleted with it.

The request is in Redis before its acknowledgement, so any bot completes what another one began.
"""

import re
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog
from redis import Redis

from bot.concurrency import BackgroundTasks
from bot.failpoints import Failpoint
from bot.handlers.notice_outbox import NoticeOutbox
from bot.handlers.personal_notices import retry_delay
from bot.messages.block_actions import DeletionRequested
from bot.notices import Notice, Sentence
from bot.slack.client import CALL_ERRORS, error_name, is_refusal
from bot.slack.poster import Poster
from bot.store.client import decode_reply, read_clock, retry_redis
from bot.store.job_queue import JobQueue
from bot.store.thread_cache import ThreadCache
from contract import keys
from contract.answers import previous_field
from contract.job import SLACK_ID_PATTERN, TIMESTAMP_PATTERN, Thread, job_id

log = structlog.get_logger()

RETRY_SECONDS: Final = 30.0
"""Seconds until another attempt, also of a bot that died during the first."""
MAX_DUE_DELETIONS: Final = 100


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

    def delete_by_button(self, request: DeletionRequested) -> None:
        """Delete the reply whose button a person pressed; in a direct message, anyone may."""
        thread = request.thread
        is_direct = thread.channel.startswith("D")
        if not is_direct and request.user not in {request.asker, *self.administrators}:
            self.notices.tell_user(thread, request.user, Notice(Sentence.DELETE_REFUSED))
            return
        member = f"{thread.channel}:{thread.ts}:{request.ts}"
        due = read_clock(self.redis) + RETRY_SECONDS
        self.redis.zadd(keys.deletion_schedule(self.team), {member: due})
        self.notices.failpoints.hit(Failpoint.AFTER_DELETION_RECORD)
        log.info("deletion requested", channel=thread.channel, ts=request.ts)
        self.background.submit("delete reply", self._delete_reply, member)

    def delete_due(self) -> None:
        """Complete the deletions that other bots have left."""
        now = read_clock(self.redis)
        schedule = keys.deletion_schedule(self.team)
        due: Any = self.redis.zrangebyscore(schedule, "-inf", now, 0, MAX_DUE_DELETIONS)
        for member in map(decode_reply, due):
            self._delete_reply(member)

    def _delete_reply(self, member: str) -> None:
        address = _parse_member(self.team, member)
        delay = None if address is None else self._try_to_delete(*address)
        schedule = keys.deletion_schedule(self.team)
        if delay is None:
            retry_redis(partial(self.redis.zrem, schedule, member))
        else:
            due = retry_redis(partial(read_clock, self.redis)) + delay
            retry_redis(partial(self.redis.zadd, schedule, {member: due}, xx=True))

    def _try_to_delete(self, thread: Thread, ts: str) -> float | None:
        """Delete a reply; return the seconds until another attempt, `None` if none is due."""
        files = retry_redis(
            partial(self.queue.find_reply_files, job_id(thread.team, thread.channel, ts))
        )
        answers = keys.answer_cache(thread.team, thread.channel, thread.ts)
        retry_redis(partial(self.redis.hdel, answers, ts, previous_field(ts)))
        try:
            for raw in self.thread_cache.find_whole_reply(thread, ts, files):
                self._delete_message(thread, raw)
                self.notices.failpoints.hit(Failpoint.AFTER_PART_DELETED)
            # Its person cannot delete a question that the bot posted.
            question = self.thread_cache.read_message(thread.channel, thread.ts, ts)
            if self.thread_cache.is_asked(question):
                self.poster.delete_message(thread.channel, ts)
        except CALL_ERRORS as error:
            log.warning("reply not deleted", channel=thread.channel, why=error_name(error))
            delay = retry_delay(error)
            return None if delay is None and is_refusal(error) else delay or RETRY_SECONDS
        return None

    def _delete_message(self, thread: Thread, raw: dict[str, Any]) -> None:
        for file in raw.get("files") or []:
            if isinstance(file, dict) and re.fullmatch(SLACK_ID_PATTERN, str(file.get("id"))):
                self.poster.delete_file(str(file["id"]))
        self.poster.delete_message(thread.channel, str(raw["ts"]))


def _parse_member(team: str, member: str) -> tuple[Thread, str] | None:
    """Return thread and question of a member of the schedule; `None` if it is malformed."""
    channel, _, rest = member.partition(":")
    root, _, ts = rest.partition(":")
    timestamps = (re.fullmatch(TIMESTAMP_PATTERN, one) for one in (root, ts))
    if not re.fullmatch(SLACK_ID_PATTERN, channel) or not all(timestamps):
        return None
    return Thread(team=team, channel=channel, ts=root), ts
