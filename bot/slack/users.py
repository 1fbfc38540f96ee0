"""User directory: names from `users.info`, looked up on demand and cached in Redis."""

from collections.abc import Iterable, Mapping
from concurrent.futures import Executor, wait
from typing import Any, Final

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError
from redis import Redis
from slack_sdk import WebClient

from bot.messages.mrkdwn import replace_surrogates
from bot.slack.client import CALL_ERRORS
from contract import keys

log = structlog.get_logger()

LOOKUP_TIMEOUT_SECONDS: Final = 1.2
"""Seconds for all users of one lookup; Slack waits 3 s for the acknowledgement."""
UNRESOLVED_TTL_SECONDS: Final = 60
"""Seconds until a failed lookup is repeated."""


class User(BaseModel):
    """Display name of a user; the user's id if the lookup failed (`is_resolved` is false then)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    is_guest: bool = False
    is_resolved: bool = True


class UserDirectory:
    """
    Users of all teams, cached. Methods raise `redis.exceptions.RedisError`.

    Slack's errors are never raised: they leave a user unresolved.
    """

    def __init__(self, redis: Redis, client: WebClient, executor: Executor) -> None:
        self._redis = redis
        self._client = client
        self._executor = executor

    def lookup_users(self, team: str, users: Iterable[str]) -> Mapping[str, User]:
        """Return the user of every id within `LOOKUP_TIMEOUT_SECONDS`, unresolved ones included."""
        user_ids = sorted(set(users))
        if not user_ids:
            return {}
        stored = self._redis.mget([keys.user_profile(team, user) for user in user_ids])
        found = {user: _decode_user(value) for user, value in zip(user_ids, stored, strict=True)}
        futures = {
            self._executor.submit(self._fetch_user, user): user
            for user, person in found.items()
            if person is None
        }
        done, _ = wait(futures, timeout=LOOKUP_TIMEOUT_SECONDS)
        fetched = {futures[future]: future.result() for future in done}
        self._cache_users(team, fetched)
        unresolved = {user: User(name=user, is_resolved=False) for user in user_ids}
        return unresolved | {user: person for user, person in found.items() if person} | fetched

    def _fetch_user(self, user: str) -> User:
        try:
            answer = self._client.users_info(user=user)
        except CALL_ERRORS as error:
            log.warning("user not found", user=user, why=type(error).__name__)
            return User(name=user, is_resolved=False)
        profile = answer.get("user")
        return _parse_user(profile if isinstance(profile, dict) else {}, user)

    def _cache_users(self, team: str, fetched: Mapping[str, User]) -> None:
        if not fetched:
            return
        with self._redis.pipeline(transaction=False) as pipe:
            for user, cached in fetched.items():
                ttl = keys.TEXT_TTL_SECONDS if cached.is_resolved else UNRESOLVED_TTL_SECONDS
                pipe.set(keys.user_profile(team, user), cached.model_dump_json(), ex=ttl)
            pipe.execute()


def _parse_user(raw: Mapping[str, Any], user: str) -> User:
    profile = raw.get("profile")
    profile = profile if isinstance(profile, dict) else {}
    names = (profile.get("display_name"), profile.get("real_name"), raw.get("real_name"))
    name = next((n for n in (*names, raw.get("name")) if isinstance(n, str) and n.strip()), user)
    guest = bool(raw.get("is_restricted") or raw.get("is_ultra_restricted"))
    return User(name=replace_surrogates(name), is_guest=guest)


def _decode_user(stored: bytes | str | None) -> User | None:
    try:
        return None if stored is None else User.model_validate_json(stored)
    except ValidationError:
        return None
