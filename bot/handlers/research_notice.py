"""Notice of research: told once to each person, beside the reply to their first question."""

import time
from dataclasses import dataclass
from typing import Final

import structlog
from redis.exceptions import RedisError

from bot.handlers.notice_outbox import RESEARCH_SUFFIX, NoticeOutbox
from bot.messages.message import AuthorKind, Message
from bot.notices import Notice, Sentence
from contract import keys
from contract.job import Thread

log = structlog.get_logger()

MAX_TOLD_PEOPLE: Final = 100_000
"""People that a workspace remembers as told; the one told first is forgotten first."""


@dataclass(frozen=True, slots=True)
class ResearchNotice:
    """Tells people what kind of model answers them, if `is_on`."""

    notices: NoticeOutbox
    is_on: bool

    def tell_once(self, thread: Thread, message: Message) -> None:
        """
        Tell the author of a question that was read, unless they were told before.

        Recorded before it is remembered: after a bot's death in between, only the marker of the
        first record keeps the next question from telling it again.
        """
        if not self.is_on or message.kind is not AuthorKind.PERSON:
            return
        redis, author = self.notices.redis, message.author
        told = keys.told_people(thread.team)
        try:
            if redis.zscore(told, author) is not None:
                return
            marker = keys.notice_quiet(thread.team, "all", author, Sentence.RESEARCH)
            notice = Notice(Sentence.RESEARCH, reader=author)
            self.notices.tell_beside(thread, message.ts + RESEARCH_SUFFIX, marker, notice)
            redis.zadd(told, {author: time.time()}, nx=True)
            redis.zremrangebyrank(told, 0, -MAX_TOLD_PEOPLE - 1)
        except RedisError as error:
            # The question is taken already; the next one tells.
            log.warning("research notice not told", why=type(error).__name__)
