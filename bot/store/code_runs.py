"""Code runs: who wants the code of a thread, and the files that were uploaded for it."""

import re
import secrets
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Annotated, Any, Final

import structlog
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from redis import Redis

from bot.store.client import decode_reply, read_clock, retry_redis
from bot.store.scripts import load_script
from contract import keys
from contract.attached_files import FILE_ID_PATTERN
from contract.job import SLACK_ID_PATTERN, TIMESTAMP_PATTERN, Thread

log = structlog.get_logger()

LEASE_SECONDS: Final = 60.0
"""Lease after which any bot may take over a run."""
RUN_TTL_SECONDS: Final = keys.SECONDS_PER_HOUR
MAX_DUE_RUNS: Final = 100
MAX_UPLOADS: Final = 10
"""Files of one run: Slack shows as many in one message."""


class RecordOutcome(StrEnum):
    """Outcome of a request."""

    RECORDED = "recorded"
    RUNNING = "running"
    REPEATED = "repeated"


class UploadedFile(BaseModel):
    """A file that Slack has, and no channel shows yet."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(pattern=FILE_ID_PATTERN)
    title: str = Field(max_length=200)


Uploads = Annotated[tuple[UploadedFile, ...], Field(min_length=1, max_length=MAX_UPLOADS)]
UPLOADS: Final = TypeAdapter[tuple[UploadedFile, ...]](Uploads)


@dataclass(frozen=True, slots=True)
class CodeRun:
    """The leased run of a thread: who asked, earlier `tries`, and its `uploads` if it has some."""

    thread: Thread
    token: str
    """Token of the lease: who leases the run later has another one."""
    user: str
    tries: int
    uploads: tuple[UploadedFile, ...]


class CodeRuns:
    """Runs of one team. Methods raise `redis.exceptions.RedisError`."""

    def __init__(self, redis: Redis, team: str) -> None:
        self._redis = redis
        self._team = team
        self._schedule = keys.code_schedule(team)
        self._record_script = redis.register_script(load_script("record_code_run"))
        self._lease_script = redis.register_script(load_script("lease_code_run"))
        self._update_script = redis.register_script(load_script("update_code_run"))

    def record(self, thread: Thread, request_ts: str, user: str) -> RecordOutcome:
        """Record a request for the code of a thread; `request_ts` is of the press or message."""
        outcome = self._record_script(
            keys=[
                keys.code_press(self._team, thread.channel, request_ts),
                self._schedule,
                self._find_key(thread),
            ],
            args=[
                keys.IDEMPOTENCY_TTL_SECONDS,
                _name_member(thread),
                LEASE_SECONDS,
                RUN_TTL_SECONDS,
                user,
            ],
        )
        return RecordOutcome(decode_reply(outcome))

    def list_due(self) -> list[Thread]:
        """Return the threads whose runs other bots have left; drop malformed members."""
        now = read_clock(self._redis)
        due: Any = self._redis.zrangebyscore(self._schedule, "-inf", now, 0, MAX_DUE_RUNS)
        found = []
        for raw in due:
            thread = _parse_member(self._team, decode_reply(raw))
            if thread is None:
                self._redis.zrem(self._schedule, raw)
            else:
                found.append(thread)
        return found

    def lease(self, thread: Thread, *, first: bool) -> CodeRun | None:
        """Lease a run; `None` if another bot holds it, or it is gone."""
        token = secrets.token_hex(8)
        lease = partial(
            self._lease_script,
            keys=[self._find_key(thread), self._schedule],
            args=[_name_member(thread), LEASE_SECONDS, int(first), token],
        )
        found = retry_redis(lease)
        if found is None:
            return None
        tries, user, files = map(decode_reply, found)
        if not tries.isdecimal() or not re.fullmatch(SLACK_ID_PATTERN, user):
            log.error("code run not readable", channel=thread.channel)
            self._update_run(thread, token, "")
            return None
        return CodeRun(thread, token, user, int(tries), _parse_uploads(files))

    def renew_lease(self, run: CodeRun) -> bool:
        """Hold a run for longer; return whether no other bot has leased it since."""
        return self._update_run(run.thread, run.token, LEASE_SECONDS)

    def set_uploads(self, run: CodeRun, uploads: tuple[UploadedFile, ...]) -> CodeRun | None:
        """Record what is about to be shared; `None` if another bot has leased the run since."""
        files = UPLOADS.dump_json(uploads).decode()
        is_held = self._update_run(run.thread, run.token, LEASE_SECONDS, files)
        return replace(run, uploads=uploads) if is_held else None

    def postpone(self, run: CodeRun, seconds: float) -> None:
        """Let a run be tried again after `seconds`, unless another bot has leased it since."""
        self._update_run(run.thread, run.token, seconds)

    def finish(self, run: CodeRun) -> None:
        """Remove a run, unless another bot has leased it since."""
        self._update_run(run.thread, run.token, "")

    def _update_run(self, thread: Thread, token: str, delay: float | str, files: str = "") -> bool:
        update = partial(
            self._update_script,
            keys=[self._find_key(thread), self._schedule],
            args=[_name_member(thread), token, delay, RUN_TTL_SECONDS, files],
        )
        return bool(retry_redis(update))

    def _find_key(self, thread: Thread) -> str:
        return keys.code_run(self._team, thread.channel, thread.ts)


def _name_member(thread: Thread) -> str:
    return f"{thread.channel}:{thread.ts}"


def _parse_member(team: str, member: str) -> Thread | None:
    """Return the thread of a member of the schedule; `None` if it is malformed."""
    channel, _, ts = member.partition(":")
    is_valid = re.fullmatch(SLACK_ID_PATTERN, channel) and re.fullmatch(TIMESTAMP_PATTERN, ts)
    return Thread(team=team, channel=channel, ts=ts) if is_valid else None


def _parse_uploads(text: str) -> tuple[UploadedFile, ...]:
    """Return recorded files; none if they are malformed, and then they are uploaded again."""
    try:
        return UPLOADS.validate_json(text) if text else ()
    except ValidationError:
        return ()
