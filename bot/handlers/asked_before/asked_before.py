"""
Asked before: records the first questions of threads, and suggests the answer to a like one.

Only channels with the rule take part. A question is answered as always if the database or Slack is
away or slow, or refuses something.
"""

from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from bot.asked_before.terms import Terms, read_terms
from bot.concurrency import BackgroundTasks
from bot.handlers.asked_before.answer_check import AnswerCheck
from bot.handlers.job_builder import Source
from bot.messages.events import ChannelType, MessagePosted
from bot.records.asked_questions import LikeAnswer, find_like_answers, record_question
from bot.records.database import Records, RecordsUnavailableError
from bot.rules.channel_rules import ChannelRules
from bot.store.client import NotCachedError
from contract.job import Job

log = structlog.get_logger()

MAX_LOOKUP_SECONDS: Final = 1.0
"""Time limit of a look into the database, which takes a few milliseconds."""


@dataclass(frozen=True, slots=True)
class AskedBefore:
    """Records and suggestions of one team."""

    records: Records
    check: AnswerCheck
    recorder: BackgroundTasks
    """Thread that writes questions one by one: a slow database holds none that others need."""
    max_lookup_seconds: float = MAX_LOOKUP_SECONDS

    def suggest_answer(
        self, job: Job, post: MessagePosted, rules: ChannelRules, source: Source
    ) -> Job:
        """
        Return a job with the answer to a like question if there is one, and else the job itself.

        Raises `NotCachedError` if the source is the cache and Slack has to be asked.
        """
        terms = _read_question(job, post, rules)
        if terms is None or source is Source.LAST_TRY or not self._look_up(job, terms):
            return job
        if source is Source.CACHE:
            raise NotCachedError
        earlier = self.check.find_readable(job, partial(self._look_up, job, terms))
        if earlier is None:
            return job
        log.info("earlier answer found", job=job.id, ran=earlier.num_ran)
        return job.model_copy(update={"earlier_answer": earlier})

    def record_question(self, job: Job, post: MessagePosted, rules: ChannelRules) -> None:
        """Record a question in the background, if later ones may be linked to its answer."""
        terms = _read_question(job, post, rules)
        if terms is not None:
            self.recorder.submit("record question", self._record_question, job, terms)

    def _look_up(self, job: Job, terms: Terms) -> list[LikeAnswer]:
        if self.records.problem is not None:
            # The time limit of a database that is away would delay each question.
            return []
        use = partial(find_like_answers, thread=job.thread, ts=job.ts, terms=terms)
        try:
            return self.records.read(use, self.max_lookup_seconds)
        except RecordsUnavailableError:
            return []

    def _record_question(self, job: Job, terms: Terms) -> None:
        if self.records.problem is not None:
            # A database that is away would hold threads that placeholders and notices need.
            log.info("question not recorded", job=job.id)
            return
        use = partial(record_question, thread=job.thread, ts=job.ts, user=job.user, terms=terms)
        try:
            self.records.write(use)
        except RecordsUnavailableError:
            log.warning("question not recorded", job=job.id)


def _read_question(job: Job, post: MessagePosted, rules: ChannelRules) -> Terms | None:
    """Return the terms of a first question whose channel has the rule; `None` for others."""
    is_first = len(job.turns) == 1 and not job.question.files and not job.question.files_left_out
    is_in_channel = post.channel_type is ChannelType.CHANNEL and post.shared_thread is None
    if not (rules.asked_before and is_first and is_in_channel) or post.bot_ids:
        return None
    return read_terms(job.question.text)
