"""Stored answers: the versions of a reply that Redis keeps."""

from redis import Redis

from bot.store.client import decode_reply
from contract import keys
from contract.answers import PREVIOUS_SUFFIX, Answer, previous_field
from contract.job import Thread


class StoredAnswers:
    """Answers that the workers have stored. Methods raise `redis.exceptions.RedisError`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def read_versions(self, thread: Thread, ts: str) -> tuple[Answer | None, Answer | None]:
        """Return the present version of the reply to a question, and the one before it."""
        key = keys.answer_cache(thread.team, thread.channel, thread.ts)
        present, previous = self._redis.hmget(key, [ts, previous_field(ts)])
        return Answer.from_json(present), Answer.from_json(previous)

    def read_answers(self, thread: Thread) -> dict[str, Answer]:
        """Return the present versions of a thread's replies by the `ts` of their questions."""
        entries = self._redis.hgetall(keys.answer_cache(thread.team, thread.channel, thread.ts))
        found = {decode_reply(ts): Answer.from_json(entry) for ts, entry in entries.items()}
        return {
            ts: answer
            for ts, answer in found.items()
            if answer is not None and answer.text and not ts.endswith(PREVIOUS_SUFFIX)
        }
