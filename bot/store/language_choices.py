"""Language choices: the languages that users have chosen instead of that of their Slack."""

from collections.abc import Iterable, Mapping

from redis import Redis

from bot.store.client import decode_reply
from contract import keys
from contract.language import Language


class LanguageChoices:
    """Choices of all teams. Methods raise `RedisError`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def find_choices(self, team: str, users: Iterable[str]) -> Mapping[str, Language]:
        """Return the choices of those users who have made one."""
        wanted = list(users)
        if not wanted:
            return {}
        found = self._redis.hmget(keys.language_choices(team), wanted)
        names = {
            user: decode_reply(name)
            for user, name in zip(wanted, found, strict=True)
            if isinstance(name, bytes | str)
        }
        return {user: Language(name) for user, name in names.items() if name in set(Language)}

    def set_choice(self, team: str, user: str, language: Language | None) -> None:
        """Keep the choice of a user; `None` is the language of the user's Slack."""
        if language is None:
            self._redis.hdel(keys.language_choices(team), user)
        else:
            self._redis.hset(keys.language_choices(team), user, language.value)
