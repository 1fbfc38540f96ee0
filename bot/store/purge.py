"""Purge: deletes the data of a thread, a channel or a team from Redis, and has records deleted."""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

import structlog
from redis import Redis
from redis.exceptions import ResponseError
from rq.command import send_command
from rq.job import Job as RqJob

from bot.messages.votes.entries import DropRecords
from bot.store.asked_questions import AskedQuestions
from bot.store.client import decode_reply
from bot.store.file_texts import FileTexts
from bot.store.job_updates import JobUpdates
from bot.store.scripts import load_text_script
from bot.store.vote_outbox import VoteOutbox
from contract import keys
from contract.job import Thread, prefix_scope

log = structlog.get_logger()

KEYS_PER_BATCH: Final = 500
"""Keys of one command: a small batch does not block Redis for other clients."""
ENTRIES_PER_PAGE: Final = 2_000
"""Entries of the index in one page: Redis reads them in a few milliseconds."""
SCAN_PAUSE_SECONDS: Final = 0.002
"""Pause between two pages of a scan of all keys, so that Redis serves other clients."""


class Purge:
    """Deletion of StarChat's keys. Methods raise `redis.exceptions.RedisError`."""

    def __init__(self, redis: Redis, pause: Callable[[float], object] = time.sleep) -> None:
        """`pause` sleeps for some seconds between two pages of a scan."""
        self._redis = redis
        self._pause = pause
        self._job_updates = JobUpdates(redis)
        self._file_texts = FileTexts(redis)
        self._drop_script = redis.register_script(load_text_script("drop_texts"))

    def drop_thread(self, thread: Thread) -> None:
        """Delete a thread's cached texts; its unfinished jobs keep their questions."""
        address = (thread.team, thread.channel, thread.ts)
        caches = (keys.thread_cache, keys.answer_cache, keys.file_cache)
        self._drop_texts(thread.team, [cache(*address) for cache in caches])
        for job in self._job_updates.list_unfinished_jobs(thread):
            self._job_updates.scrub_job(job)
        self._notify_workers(prefix_scope(*address))
        AskedQuestions(self._redis, thread.team).drop_thread(thread.channel, thread.ts)
        self._drop_records(thread.team, channel=thread.channel, thread_ts=thread.ts)

    def drop_channel(self, team: str, channel: str) -> int:
        """
        Delete a channel's copies and cached answers; its unfinished jobs keep their questions.

        Returns the number of threads.
        """
        found = list(self._find_texts(f"starchat:{team}:*:{channel}:*", team))
        prefix = keys.thread_cache(team, channel, "")
        dropped = self._drop_texts(team, [text for text in found if text.startswith(prefix)])
        self._drop_texts(team, [text for text in found if not text.startswith(prefix)])
        for job in self._list_pending_jobs():
            if job.startswith(f"{team}-{channel}-"):
                self._job_updates.scrub_job(job)
        self._notify_workers(prefix_scope(team, channel))
        AskedQuestions(self._redis, team).drop_channel(channel)
        self._drop_records(team, channel=channel)
        return dropped

    def drop_question(self, thread: Thread, ts: str) -> None:
        """Delete a question from the lists of what was asked."""
        AskedQuestions(self._redis, thread.team).drop_question(thread.channel, ts)

    def drop_file(self, team: str, file_id: str) -> int:
        """Delete the texts of a file in all threads; return their number."""
        return self._file_texts.drop_file(team, file_id)

    def drop_copies(self, team: str) -> int:
        """
        Delete all cached threads of a team, and the lists of their people.

        Returns the number of copies.
        """
        self._unlink_keys(self._scan_keys(keys.thread_people(team, "*", "*")))
        return self._drop_texts(team, self._find_texts(keys.thread_cache(team, "*", "*"), team))

    def drop_texts(self, team: str) -> int:
        """Delete all cached threads and answers of a team; return their number."""
        return self._drop_texts(team, self._find_texts("*", team))

    def drop_team(self, team: str) -> int:
        """Delete all data of a team, waiting jobs included; return the number of keys."""
        jobs = f"{RqJob.redis_job_namespace_prefix}{team}-*"
        waiting = [job for job in self._list_pending_jobs() if job.startswith(f"{team}-")]
        for batch in _split_batches(waiting):
            self._redis.zrem(keys.PENDING_JOBS, *batch)
        self._notify_workers(prefix_scope(team))
        patterns = (f"starchat:{team}:*", jobs, f"starchat:set_aside:*{team}*")
        return sum(self._unlink_keys(self._scan_keys(pattern)) for pattern in patterns)

    def rewrite_log(self) -> None:
        """Let Redis rewrite its append-only file, which holds deleted text until then."""
        try:
            self._redis.bgrewriteaof()
        except ResponseError as error:
            log.warning("append-only file not rewritten", why=type(error).__name__)

    def _drop_records(self, team: str, *, channel: str, thread_ts: str | None = None) -> None:
        """Have the database's rows deleted too, as soon as it answers."""
        drop = DropRecords(channel=channel, thread_ts=thread_ts, queued_at=0)
        VoteOutbox(self._redis, team).push_entry(drop)

    def _find_texts(self, pattern: str, team: str) -> list[str]:
        """Find caches by the team's index: a scan of all keys would take seconds."""
        entries = self._redis.zscan_iter(
            keys.text_index(team), match=pattern, count=ENTRIES_PER_PAGE
        )
        return [decode_reply(key) for key, _ in entries]

    def _drop_texts(self, team: str, found: Iterable[str]) -> int:
        batches = _split_batches(found)
        index = [keys.text_index(team), keys.text_sizes(team)]
        return sum(int(self._drop_script(keys=index, args=batch)) for batch in batches)

    def _notify_workers(self, scope: str) -> None:
        """Tell the workers to erase the cached prefixes of a scope."""
        for worker in self._redis.hkeys(keys.WORKER_STATUSES):
            send_command(self._redis, decode_reply(worker), keys.FORGET_COMMAND, scope=scope)

    def _list_pending_jobs(self) -> list[str]:
        return [
            decode_reply(job)
            for job in self._redis.zrange(keys.PENDING_JOBS, 0, -1)
            if isinstance(job, bytes | str)
        ]

    def _scan_keys(self, pattern: str) -> Iterator[str]:
        """Yield the keys of all keys in Redis that match, at a pace."""
        cursor = 0
        while True:
            cursor, page = self._redis.scan(cursor, match=pattern, count=KEYS_PER_BATCH)
            yield from map(decode_reply, page)
            if not cursor:
                return
            self._pause(SCAN_PAUSE_SECONDS)

    def _unlink_keys(self, found_keys: Iterable[str]) -> int:
        num_dropped = 0
        for batch in _split_batches(found_keys):
            num_dropped += int(self._redis.unlink(*batch))
        return num_dropped


def _split_batches(items: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(items)
    while batch := list(islice(rest, KEYS_PER_BATCH)):
        yield batch
