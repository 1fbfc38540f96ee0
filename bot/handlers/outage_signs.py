"""
Outage signs: a status below a question's thread while Redis does not answer.

The question is not accepted: Slack delivers it again, or the backfill finds it. A status needs no
Redis, and a repetition of it changes nothing.
"""

import math
import threading
import time
from typing import Final

from bot import texts
from bot.concurrency import BackgroundTasks
from bot.handlers.rules.reader_languages import ReaderLanguages
from bot.messages import admission
from bot.messages.events import MessagePosted
from bot.messages.message import BotIdentity
from bot.slack.poster import Poster
from contract.job import Thread

REPEAT_SECONDS: Final = 100.0
"""Seconds until a thread's status is set again; Slack removes it after 120 s."""
MAX_THREADS: Final = 1000
"""Threads whose last sign is remembered."""


class OutageSigns:
    """Shows the authors of questions that they must wait for Redis. Thread-safe."""

    def __init__(
        self,
        identity: BotIdentity,
        poster: Poster,
        background: BackgroundTasks,
        languages: ReaderLanguages,
    ) -> None:
        self._identity = identity
        self._poster = poster
        self._background = background
        self._languages = languages
        self._lock = threading.Lock()
        self._shown_at: dict[Thread, float] = {}

    def show_wait(self, post: MessagePosted) -> None:
        """Set the status of a message's thread if the message addresses the bot for certain."""
        is_addressed = admission.is_addressed(post, self._identity)
        if post.can_ask and not post.bot_ids and is_addressed and self._note_sign(post.thread):
            self._background.submit("status", self._set_status, post.thread, post.author)

    def _set_status(self, thread: Thread, user: str) -> None:
        language = self._languages.ask_slack(user)
        self._poster.set_status(thread, texts.WAITS_FOR_QUEUE.translate(language))

    def _note_sign(self, thread: Thread) -> bool:
        """Note a sign in a thread; return whether the last one was long ago."""
        now = time.monotonic()
        with self._lock:
            if now - self._shown_at.get(thread, -math.inf) < REPEAT_SECONDS:
                return False
            # The oldest sign is the first one.
            self._shown_at.pop(thread, None)
            self._shown_at[thread] = now
            if len(self._shown_at) > MAX_THREADS:
                del self._shown_at[next(iter(self._shown_at))]
            return True
