"""
Follow-up of stops: every stopped job ends, and its thread says so.

A worker that misses the command hears it again. A job whose worker died leaves the line when it
waits again. Any bot continues where another one died: the schedule is in Redis.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from uuid import uuid4

import structlog
from redis.exceptions import RedisError

from bot.concurrency import BackgroundTasks
from bot.failpoints import Failpoint, Failpoints
from bot.handlers.personal_notices import retry_delay
from bot.handlers.rules.reader_languages import ReaderLanguages
from bot.handlers.sweeper import Sweeper
from bot.messages.mrkdwn import escape_text
from bot.slack.client import CALL_ERRORS, error_name, is_refusal
from bot.slack.poster import Poster
from bot.store.client import retry_redis
from bot.store.stops import FOLLOW_UP_SECONDS, StopOutcome, StoppedJob, Stops
from bot.store.thread_cache import ThreadCache
from contract import keys
from contract.slack_errors import UNREADABLE_ERRORS
from contract.stop import select_text_blocks
from contract.texts import describe_stop

log = structlog.get_logger()

MAX_LOOKS: Final = 5
"""Looks for a message that another process has announced; they outlast its call to Slack."""
MAX_TRIES: Final = 30
"""Attempts to show the end of a stopped job; they last for more than half an hour."""
MAX_DELAY_SECONDS: Final = 120
MAX_WAIT_SECONDS: Final = 5.0
"""Longest wait for the budget of a post."""


@dataclass(slots=True)
class StopFollowUp:
    """Follows stops up, in background tasks and by a sweeper."""

    stops: Stops
    poster: Poster
    thread_cache: ThreadCache
    background: BackgroundTasks
    sweeps: list[Callable[[], None]]
    """Further work of the sweeper, which Redis keeps for any bot."""
    languages: ReaderLanguages
    failpoints: Failpoints = field(default_factory=Failpoints)

    def schedule(self, job: str, outcome: StopOutcome) -> None:
        """Follow up a stop that had this outcome a moment ago."""
        if outcome is StopOutcome.STOPPED:
            self.background.submit("stop", self.follow_up_job, job)
        elif outcome is StopOutcome.RUNNING:
            self.background.submit_after(FOLLOW_UP_SECONDS, "stop", self.follow_up_job, job)

    def build_sweeper(self) -> Sweeper:
        """Build the thread that follows up what dead bots have left."""
        return Sweeper("stops", (self.follow_up_due, *self.sweeps), (RedisError, *CALL_ERRORS))

    def follow_up_due(self) -> None:
        """Follow up the stops that are due. Raises `RedisError`."""
        for job in self.stops.list_due():
            self.follow_up_job(job)

    def follow_up_job(self, job: str) -> None:
        """Bring a stopped job one step closer to its end. Raises `RedisError`."""
        outcome = retry_redis(partial(self.stops.continue_stop, job))
        if outcome is StopOutcome.RUNNING:
            # Its worker may have missed the command, or died: then a reaper lets the job wait.
            retry_redis(partial(self.stops.send_command, job))
            return
        stopped = None
        if outcome is StopOutcome.STOPPED:
            stopped = retry_redis(partial(self.stops.read_stopped, job))
        delay = None if stopped is None else self._show_stopped_reply(stopped)
        if delay is None:
            retry_redis(partial(self.stops.remove, job))
        else:
            retry_redis(partial(self.stops.postpone, job, delay))
            self.background.submit_after(delay, "stop", self.follow_up_job, job)

    def _show_stopped_reply(self, stopped: StoppedJob) -> float | None:
        """Show that a question was stopped; return the seconds until the next attempt, if any."""
        if stopped.owner == keys.BOT_AGAIN and not stopped.has_run:
            # The message is still the previous reply, which stays.
            return None
        if stopped.tries >= MAX_TRIES:
            log.error("stop not shown", job=stopped.job.id)
            return None
        try:
            is_shown = self._try_to_show(stopped)
        except CALL_ERRORS as error:
            name = error_name(error)
            log.warning("stop not shown yet", job=stopped.job.id, why=name)
            delay = retry_delay(error)
            if delay is None and (is_refusal(error) or name in UNREADABLE_ERRORS):
                return None
            is_shown = False
        else:
            delay = None
        if is_shown:
            return None
        retry_redis(partial(self.stops.count_try, stopped.job.id))
        return delay or min(MAX_DELAY_SECONDS, 2.0**stopped.tries)

    def _try_to_show(self, stopped: StoppedJob) -> bool:
        """Turn the job's message into the end, or post one; return whether it is shown."""
        if stopped.placeholder is None and stopped.owner is None:
            # Before the intent is recorded: others look for a post that is announced.
            self.poster.reserve_post(stopped.job.thread.channel, MAX_WAIT_SECONDS)
            owner = f"bot:{uuid4().hex}"
            claim = partial(
                self.stops.queue.set_field_once, stopped.job.id, keys.PLACEHOLDER_OWNER, owner
            )
            if retry_redis(claim):
                self._post_end(stopped)
                return True
        shown = stopped.placeholder or self._find_message(stopped)
        if shown is not None:
            self._update_end(stopped, shown)
            return True
        if stopped.tries < MAX_LOOKS:
            return False
        self.poster.reserve_post(stopped.job.thread.channel, MAX_WAIT_SECONDS)
        self._post_end(stopped)
        return True

    def _find_message(self, stopped: StoppedJob) -> str | None:
        found = self.thread_cache.find_own_messages(stopped.job.thread, stopped.job.ts)
        return found[0] if found else None

    def _post_end(self, stopped: StoppedJob) -> None:
        job, end = stopped.job.id, self._describe_end(stopped)
        try:
            ts = self.poster.post_in_thread(
                stopped.job.thread,
                escape_text(end),
                blocks=_build_blocks(end),
                metadata=_build_metadata(stopped),
                retry=False,
                is_reserved=True,
            )
        except CALL_ERRORS as error:
            if is_refusal(error):
                # Slack posted nothing, so the next attempt need not look for it.
                retry_redis(partial(self.stops.release_owner, job))
            raise
        self.failpoints.hit(Failpoint.AFTER_STOP_SHOWN)
        retry_redis(partial(self.stops.queue.set_field_once, job, keys.PLACEHOLDER, ts))

    def _update_end(self, stopped: StoppedJob, ts: str) -> None:
        job, end, shown = stopped.job, self._describe_end(stopped), dict[str, Any]()
        if stopped.has_run:
            # The text of a worker that died stays.
            shown = self.thread_cache.read_own_message(job.thread, job.ts, ts)
        self.poster.update_message(
            job.thread.channel,
            ts,
            escape_text(end),
            metadata=_build_metadata(stopped),
            blocks=[*select_text_blocks(shown), *_build_blocks(end)],
        )
        self.failpoints.hit(Failpoint.AFTER_STOP_SHOWN)

    def _describe_end(self, stopped: StoppedJob) -> str:
        job = stopped.job
        find = partial(self.languages.find_for_thread, job.thread.channel, job.user)
        label = stopped.record.label_for(job.user, job.charged_user)
        return describe_stop(label).translate(retry_redis(find))


def _build_blocks(end: str) -> list[dict[str, Any]]:
    """Return the sentence in small print, literally: it holds a name that its person chose."""
    element = {"type": "plain_text", "text": end, "emoji": False}
    return [{"type": "context", "elements": [element]}]


def _build_metadata(stopped: StoppedJob) -> dict[str, object]:
    job = stopped.job
    payload = {"job": job.id, "part": 1, "question": job.ts, "state": "error"}
    return {"event_type": keys.METADATA_EVENT_TYPE, "event_payload": payload}
