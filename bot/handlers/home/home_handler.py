"""
Home handler: publishes the Home tab on separate threads, and follows its controls.

Nothing waits for it. A tab that Slack does not take is left out: opening it again publishes it.
"""

import threading
from dataclasses import dataclass, field
from typing import Final

import structlog
from redis import Redis
from redis.exceptions import RedisError

from bot.concurrency import BackgroundTasks
from bot.handlers.home.home_facts import HomeFacts
from bot.home import texts as home_texts
from bot.home.presses import HomePress, LanguageChosen, ListCleared
from bot.home.view import MemberFacts, View, build_view
from bot.slack.client import CALL_ERRORS, error_name
from bot.slack.poster import Poster
from bot.slack.users import User, UserDirectory
from bot.store.asked_questions import AskedQuestions
from bot.store.language_choices import LanguageChoices
from contract import keys
from contract.language import Language, Translatable

log = structlog.get_logger()

HOME_THREADS: Final = 2
MAX_WAITING_HOMES: Final = 200
"""Tabs that may wait for a thread; further ones are left out."""
LATCH_SECONDS: Final = 3600
"""Seconds for which no Home tab is published in a workspace that has refused one."""
LATCHING_ERRORS: Final = frozenset(
    {"missing_scope", "not_enabled", "not_implemented", "not_allowed_token_type", "access_denied"}
)
"""Slack's errors by which a workspace or an app without a Home tab is known."""


def start_home_tasks() -> BackgroundTasks:
    """Start the threads of the Home tab, which no other task uses."""
    return BackgroundTasks(HOME_THREADS, MAX_WAITING_HOMES)


@dataclass(frozen=True, slots=True)
class HomeHandler:
    """Publishes Home tabs of one team."""

    redis: Redis
    facts: HomeFacts
    users: UserDirectory
    poster: Poster
    tasks: BackgroundTasks
    _waiting: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def publish_home(self, user: str) -> None:
        """Publish the Home tab of a user soon; at most one waits for each user."""
        with self._lock:
            if user in self._waiting:
                return
            self._waiting.add(user)
        if not self.tasks.submit("publish home", self._publish_home, user):
            self._forget_waiting(user)

    def handle_press(self, press: HomePress) -> None:
        """Keep a choice, or delete a list, and show the tab again. Raises `RedisError`."""
        team = self.facts.identity.team
        match press:
            case LanguageChosen(user=user, language=language):
                LanguageChoices(self.redis).set_choice(team, user, language)
            case ListCleared(user=user):
                AskedQuestions(self.redis, team).drop_user(user)
        self.publish_home(press.user)

    def stop_publishing(self, timeout: float) -> None:
        """Publish what waits within `timeout` seconds, and leave out the rest."""
        self.tasks.drain(timeout)

    def _publish_home(self, user: str) -> None:
        # An event that comes from now on leads to a newer tab.
        self._forget_waiting(user)
        try:
            view = self._build_view(user)
        except RedisError as error:
            log.warning("home without facts", why=type(error).__name__)
            language = User(name=user).language
            view = self._show_facts(home_texts.QUEUE_AWAY, language)
        if view is None:
            return
        try:
            self.poster.publish_home(user, view)
        except CALL_ERRORS as error:
            log.warning("home not published", why=error_name(error))
            self._latch_refusal(error)

    def _build_view(self, user: str) -> View | None:
        """Return the view of a user; `None` in a workspace that has refused it."""
        team = self.facts.identity.team
        if self.redis.exists(keys.home_latch(team)):
            return None
        profile = self.users.lookup_in_background(team, user)
        return self._show_facts(self.facts.gather_facts(user, profile), profile.language)

    def _show_facts(self, facts: MemberFacts | Translatable, language: Language) -> View:
        votes_keep_text = self.facts.settings.starchat_votes_with_text == "on"
        return build_view(facts, language, votes_keep_text=votes_keep_text)

    def _latch_refusal(self, error: Exception) -> None:
        if error_name(error) in LATCHING_ERRORS:
            key = keys.home_latch(self.facts.identity.team)
            self.redis.set(key, 1, ex=LATCH_SECONDS)

    def _forget_waiting(self, user: str) -> None:
        with self._lock:
            self._waiting.discard(user)
