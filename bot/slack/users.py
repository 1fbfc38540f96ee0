"""What Slack calls the people of a team: asked for when needed, then remembered in Redis."""

from collections.abc import Iterable, Mapping
from concurrent.futures import Executor, wait
from typing import Any, Final

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError
from redis import Redis
from slack_sdk import WebClient

from bot.messages.mrkdwn import clean
from bot.slack.errors import SLACK_AWAY
from contract import keys

log = structlog.get_logger()

PATIENCE: Final = 1.2
"""Seconds that all names together may take: Slack waits three for the acknowledgement."""
RETRY: Final = 60
"""Seconds until a name that could not be had is asked for again."""


class Person(BaseModel):
    """A person's name in the team, and whether they are a guest there."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    guest: bool = False
    known: bool = True


class Names:
    """
    The people of all teams. Raises `redis.exceptions.RedisError`, and nothing because of Slack:
    who cannot be looked up is called by their id.
    """

    def __init__(self, redis: Redis, client: WebClient, executor: Executor) -> None:
        self._redis = redis
        self._client = client
        self._executor = executor

    def of(self, team: str, users: Iterable[str]) -> Mapping[str, Person]:
        """Return the people with these ids, all of them, within `PATIENCE`."""
        wanted = sorted(set(users))
        if not wanted:
            return {}
        stored = self._redis.mget([keys.user_profile(team, user) for user in wanted])
        found = {user: _read(value) for user, value in zip(wanted, stored, strict=True)}
        asked = {
            self._executor.submit(self._ask, user): user
            for user, person in found.items()
            if person is None
        }
        done, _ = wait(asked, timeout=PATIENCE)
        fresh = {asked[future]: future.result() for future in done}
        self._remember(team, fresh)
        nobody = {user: Person(name=user, known=False) for user in wanted}
        return nobody | {user: person for user, person in found.items() if person} | fresh

    def _ask(self, user: str) -> Person:
        try:
            answer = self._client.users_info(user=user)
        except SLACK_AWAY as error:
            log.warning("name not found", user=user, why=type(error).__name__)
            return Person(name=user, known=False)
        person = answer.get("user")
        return _person(person if isinstance(person, dict) else {}, user)

    def _remember(self, team: str, people: Mapping[str, Person]) -> None:
        if not people:
            return
        with self._redis.pipeline(transaction=False) as pipe:
            for user, person in people.items():
                ttl = keys.TEXT_TTL_SECONDS if person.known else RETRY
                pipe.set(keys.user_profile(team, user), person.model_dump_json(), ex=ttl)
            pipe.execute()


def _person(raw: Mapping[str, Any], user: str) -> Person:
    profile = raw.get("profile")
    profile = profile if isinstance(profile, dict) else {}
    names = (profile.get("display_name"), profile.get("real_name"), raw.get("real_name"))
    name = next((n for n in (*names, raw.get("name")) if isinstance(n, str) and n.strip()), user)
    guest = bool(raw.get("is_restricted") or raw.get("is_ultra_restricted"))
    return Person(name=clean(name), guest=guest)


def _read(stored: bytes | str | None) -> Person | None:
    try:
        return None if stored is None else Person.model_validate_json(stored)
    except ValidationError:
        return None
