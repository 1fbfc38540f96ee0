"""
Titles of sessions: the first words of the question that begins a conversation with the app.

Slack lists a person's sessions by title. A title is set once, takes what the budget leaves, and is
left out for an hour where Slack refuses it.
"""

import re
from typing import Final

import structlog
from redis.asyncio import Redis

from contract import keys
from contract.job import Job
from worker.errors import (
    AppRefusedError,
    NotAllowedError,
    SilentOutcomeError,
    SlackUnavailableError,
)
from worker.slack.client import RejectedError, RetryLaterError, SlackClient
from worker.slack.methods import RENAME_SESSION

log = structlog.get_logger()

LATCH_KIND: Final = "title"
MAX_TITLE_CHARACTERS: Final = 60
"""Longest title: Slack takes 200 characters, and shows fewer."""
MAX_TITLE_SOURCE: Final = 2_000
"""Characters of a question in which its first words are looked for."""
FENCE: Final = re.compile(r"```+[A-Za-z0-9+#._-]{0,40}")
BACKTICKS: Final = re.compile(r"`+")
LATCHING_ERRORS: Final = frozenset(
    {"missing_scope", "feature_disabled", "not_authorized", "unknown_method", "method_deprecated"}
)


def build_title(question: str) -> str:
    """Return the first words of a question in one line; empty if it has none."""
    text = BACKTICKS.sub("", FENCE.sub(" ", question[:MAX_TITLE_SOURCE]))
    words = " ".join(text.split())
    if len(words) <= MAX_TITLE_CHARACTERS:
        return words
    cut = words[: MAX_TITLE_CHARACTERS - 1]
    # Chinese has no spaces, and neither has a long name.
    front = cut.rpartition(" ")[0]
    return f"{front if len(front) > len(cut) // 2 else cut}…"


class SessionTitles:
    """Titles of the sessions in which this worker replies."""

    def __init__(self, slack: SlackClient, connection: Redis) -> None:
        """`connection` must decode responses."""
        self._slack = slack
        self._redis = connection

    async def name_session(self, job: Job) -> None:
        """Give a session its title if the job is its first question. Raises `RedisError`."""
        thread, title = job.thread, build_title(job.question.text)
        is_first = thread.channel.startswith("D") and thread.ts == job.ts and job.rework is None
        latch = keys.extra_latch(thread.team, LATCH_KIND)
        if not (is_first and title) or await self._redis.exists(latch):
            return
        marker = keys.session_title(thread.team, thread.channel, thread.ts)
        if not await self._redis.set(marker, 1, nx=True, ex=keys.IDEMPOTENCY_TTL_SECONDS):
            return
        arguments = {"channel_id": thread.channel, "thread_ts": thread.ts, "title": title}
        try:
            await self._slack.call_once(RENAME_SESSION, thread.team, arguments, _check_nothing)
        except (RejectedError, NotAllowedError) as error:
            log.info("session not named", why=str(error))
            if str(error) in LATCHING_ERRORS:
                await self._redis.set(latch, 1, ex=keys.EXTRA_LATCH_TTL_SECONDS)
        except (RetryLaterError, SilentOutcomeError, SlackUnavailableError, AppRefusedError):
            log.info("session not named", why="no call")


async def _check_nothing() -> None:
    """Check no lease: a title that is set late does no harm."""
