"""User directory: names from `users.info`, looked up on demand and cached in Redis."""

from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from typing import Any, Final

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from redis import Redis
from slack_sdk import WebClient

from bot.messages.mrkdwn import replace_surrogates
from bot.slack.budget import NoBudgetError, pace_calls
from bot.slack.client import CALL_ERRORS, AppRefusedError, error_name
from bot.slack.shared_calls import SharedCalls
from bot.store.client import NotCachedError
from bot.store.language_choices import LanguageChoices
from contract import keys
from contract.language import Language, choose_language
from contract.slack_budget import Priority

log = structlog.get_logger()

LOOKUP_TIMEOUT_SECONDS: Final = 1.2
"""Seconds for all users of one lookup; names are not worth a longer wait."""
UNRESOLVED_TTL_SECONDS: Final = 60
"""Seconds until a failed lookup of a name is repeated."""
MAX_NAMES_PER_MESSAGE: Final = 500
"""Users of one message and its thread whose names are read from the cache; others keep their id."""
MAX_CALLS_PER_MESSAGE: Final = 30
"""Calls of `users.info` for one message; Slack allows about 100 per minute in all."""
BACKGROUND_WAIT_SECONDS: Final = 5.0
"""Wait for the budget of a lookup that can be put off."""
USER_ID_PREFIXES: Final = ("U", "W")
INVISIBLE_USER_ERRORS: Final = frozenset({"user_not_found", "user_not_visible"})
"""Slack's answer is certain: the user is no member that the bot may see."""


class User(BaseModel):
    """
    Display name of a user; the user's id if the lookup failed (`is_resolved` is false then).

    A user whom Slack does not show to the bot counts as a guest, and reads English. `is_bot` is
    `None` if unknown, as in entries of versions without it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    is_bot: bool | None = None
    is_guest: bool = False
    is_resolved: bool = True
    language: Language = Language.ENGLISH
    was_asked_for: bool = Field(default=True, exclude=True)
    """Whether Slack was asked: the budget, or a refusal of the whole app, may forbid it."""

    @property
    def is_person(self) -> bool:
        """Whether Slack says that the user is no bot."""
        return self.is_resolved and self.is_bot is False


class UserDirectory:
    """
    Users of all teams, cached. Methods raise `redis.exceptions.RedisError`.

    Slack's errors are never raised: they leave a user unresolved.
    """

    def __init__(
        self, redis: Redis, client: WebClient, name_executor: Executor, author_executor: Executor
    ) -> None:
        """`author_executor` is separate, so that no message's many mentions delay an author."""
        self._redis = redis
        self._choices = LanguageChoices(redis)
        self._client = client
        self._name_calls = SharedCalls(name_executor, self._fetch_user)
        self._author_calls = SharedCalls(author_executor, self._fetch_user)

    def lookup_users(
        self, team: str, users: Iterable[str], *, cached_only: bool = False
    ) -> Mapping[str, User]:
        """
        Return the user of every id within `LOOKUP_TIMEOUT_SECONDS`, unresolved ones included.

        The first `MAX_CALLS_PER_MESSAGE` users that are not cached are fetched. With
        `cached_only`, raises `NotCachedError` if there is one.
        """
        user_ids = list(dict.fromkeys(users))
        cached = self._read_cache(team, user_ids[:MAX_NAMES_PER_MESSAGE])
        missing = [user for user in user_ids[:MAX_NAMES_PER_MESSAGE] if user not in cached]
        if cached_only and missing:
            raise NotCachedError
        fetched = self._fetch_users(self._name_calls, team, missing[:MAX_CALLS_PER_MESSAGE])
        unresolved = {user: User(name=user, is_resolved=False) for user in user_ids}
        return self._apply_choices(team, unresolved | cached | fetched)

    def lookup_cached_users(self, team: str, users: Iterable[str]) -> Mapping[str, User]:
        """Return the users whose names are cached."""
        return self._read_cache(team, list(dict.fromkeys(users))[:MAX_NAMES_PER_MESSAGE])

    def lookup_author(self, team: str, user: str, *, cached_only: bool = False) -> User:
        """
        Return the author of a message; a lookup that failed before is repeated.

        With `cached_only`, raises `NotCachedError` if a lookup is necessary.
        """
        cached = self._read_cache(team, [user]).get(user)
        if cached is not None and cached.is_resolved:
            return cached
        if cached_only:
            raise NotCachedError
        fetched = self._fetch_users(self._author_calls, team, [user])
        return fetched.get(user, User(name=user, is_resolved=False))

    def lookup_language(self, team: str, user: str, *, cached_only: bool = False) -> Language:
        """
        Return the language of a user; English if Slack does not tell it in time.

        `user` may be empty, or the id of an app, which has no locale. With `cached_only`, raises
        `NotCachedError` if a lookup is necessary.
        """
        if not user.startswith(USER_ID_PREFIXES):
            return Language.ENGLISH
        found = self._read_cache(team, [user])
        if not found and cached_only:
            raise NotCachedError
        found = found or self._fetch_users(self._author_calls, team, [user])
        unresolved = User(name=user, is_resolved=False)
        return self._apply_choices(team, {user: found.get(user, unresolved)})[user].language

    def fetch_language(self, user: str) -> Language:
        """Return the language of a user by a call that is not cached: it needs no Redis."""
        return self._fetch_user(user).language

    def fetch_user(self, user: str, max_wait: float) -> User:
        """Return a user by a call that is not cached; it waits `max_wait` s for the budget."""
        return self._fetch_user(user, max_wait=max_wait)

    def lookup_in_background(self, team: str, user: str) -> User:
        """Return a user for something that can wait; a call leaves the budget to questions."""
        cached = self._read_cache(team, [user])
        if user not in cached:
            cached = {user: self._fetch_user(user, Priority.BACKGROUND, BACKGROUND_WAIT_SECONDS)}
            self._cache_users(team, cached)
        return self._apply_choices(team, cached)[user]

    def _apply_choices(self, team: str, users: Mapping[str, User]) -> dict[str, User]:
        """Return users with the languages that they have chosen instead of Slack's."""
        choices = self._choices.find_choices(team, users)
        return {
            user: found.model_copy(update={"language": choices.get(user, found.language)})
            for user, found in users.items()
        }

    def _read_cache(self, team: str, user_ids: list[str]) -> dict[str, User]:
        if not user_ids:
            return {}
        stored = self._redis.mget([keys.user_profile(team, user) for user in user_ids])
        decoded = zip(user_ids, map(_decode_user, stored), strict=True)
        return {user: found for user, found in decoded if found is not None}

    def _fetch_users(
        self, calls: SharedCalls[User], team: str, user_ids: list[str]
    ) -> dict[str, User]:
        fetched = calls.run_calls(user_ids, LOOKUP_TIMEOUT_SECONDS)
        self._cache_users(team, fetched)
        return fetched

    def _fetch_user(
        self, user: str, priority: Priority = Priority.REPLY, max_wait: float = 0
    ) -> User:
        try:
            with pace_calls(priority, max_wait):
                answer = self._client.users_info(user=user, include_locale=True)
        except CALL_ERRORS as error:
            log.warning("user not found", user=user, why=type(error).__name__)
            is_invisible = error_name(error) in INVISIBLE_USER_ERRORS
            was_asked_for = not isinstance(error, NoBudgetError | AppRefusedError)
            return User(
                name=user,
                is_guest=is_invisible,
                is_resolved=False,
                was_asked_for=was_asked_for,
            )
        profile = answer.get("user")
        return _parse_user(profile if isinstance(profile, dict) else {}, user)

    def _cache_users(self, team: str, fetched: Mapping[str, User]) -> None:
        if not fetched:
            return
        with self._redis.pipeline(transaction=False) as pipe:
            for user, cached in fetched.items():
                if not cached.was_asked_for:
                    continue
                ttl = keys.TEXT_TTL_SECONDS if cached.is_resolved else UNRESOLVED_TTL_SECONDS
                pipe.set(keys.user_profile(team, user), cached.model_dump_json(), ex=ttl)
            pipe.execute()


def _parse_user(raw: Mapping[str, Any], user: str) -> User:
    profile = raw.get("profile")
    profile = profile if isinstance(profile, dict) else {}
    names = (profile.get("display_name"), profile.get("real_name"), raw.get("real_name"))
    name = next((n for n in (*names, raw.get("name")) if isinstance(n, str) and n.strip()), user)
    guest = bool(raw.get("is_restricted") or raw.get("is_ultra_restricted"))
    is_bot = bool(raw.get("is_bot") or raw.get("is_workflow_bot"))
    language = choose_language(raw.get("locale"))
    return User(name=replace_surrogates(name), is_bot=is_bot, is_guest=guest, language=language)


def _decode_user(stored: bytes | str | None) -> User | None:
    try:
        user = None if stored is None else User.model_validate_json(stored)
    except ValidationError:
        return None
    # Slack is asked again about a user that a version without languages has cached.
    return user if user is not None and "language" in user.model_fields_set else None
