"""
Answer cache: finished answers per thread in Redis, exactly as the model wrote them.

The next turn of the thread reuses their token ids, so that the engine's prefix cache matches.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from redis.asyncio import Redis

from contract import keys
from contract.answers import Answer, previous_field
from contract.conversation import Conversation, Speaker, Turn, order_turns
from contract.job import Job
from contract.scripts import SET_ASIDE
from worker import scripts
from worker.jobs.leases import JOB_PREFIX

MAX_ANSWERS_PER_THREAD: Final = 64
"""Answers per thread; older answers come from Slack, like all other messages."""
MAX_ANSWER_BYTES_PER_THREAD: Final = 256 * 1024
"""Bytes of a thread's answers as JSON: more than any model's context window."""


class StoreMode(StrEnum):
    """What storing an answer does to the version before it."""

    REPLACE = "replace"
    """It answers a question, so nothing older belongs to it."""
    SHIFT = "shift"
    """The present version becomes the one before."""
    EXTEND = "extend"
    """The version before stays."""


class CachedConversation(NamedTuple):
    """A conversation, and the token ids of its answers by their text."""

    turns: Conversation
    token_ids: dict[str, tuple[int, ...]]


class ReplyVersions(NamedTuple):
    """The present version of a reply and the one before it, as far as Redis keeps them."""

    present: Answer | None
    previous: Answer | None


NO_VERSIONS: Final = ReplyVersions(None, None)
"""Versions of a reply that is not written yet."""


class AnswerCache:
    """Answers in Redis: per thread a hash from the question's `ts` to the answer as JSON."""

    def __init__(self, connection: Redis) -> None:
        """`connection` must decode responses."""
        self._redis = connection
        self._store_script = connection.register_script(scripts.STORE_ANSWER)

    async def store_answer(
        self, job: Job, answer: Answer, mode: StoreMode = StoreMode.REPLACE
    ) -> None:
        """
        Store the answer to a job that still exists, and evict the thread's oldest answers.

        Storing a version again changes nothing.
        """
        key = keys.answer_cache(job.thread.team, job.thread.channel, job.thread.ts)
        team = job.thread.team
        await self._store_script(
            keys=[key, JOB_PREFIX + job.id, keys.text_index(team), keys.text_sizes(team)],
            args=[
                job.ts,
                answer.model_dump_json(exclude_defaults=True),
                keys.TEXT_TTL_SECONDS,
                MAX_ANSWERS_PER_THREAD,
                MAX_ANSWER_BYTES_PER_THREAD,
                keys.MAX_TEXT_BYTES_PER_TEAM,
                mode.value,
                previous_field(job.ts),
                f'"reply_id":"{answer.reply_id}"' if answer.reply_id else "",
            ],
        )

    async def load_versions(self, job: Job) -> ReplyVersions:
        """Return the versions of the reply to a job's question."""
        key = keys.answer_cache(job.thread.team, job.thread.channel, job.thread.ts)
        present, previous = await self._redis.hmget(key, [job.ts, previous_field(job.ts)])
        return ReplyVersions(Answer.from_json(present), Answer.from_json(previous))

    async def delete_answer(self, job: Job) -> None:
        """Delete the answer to a job's question."""
        thread_key = (job.thread.team, job.thread.channel, job.thread.ts)
        await self._redis.hdel(keys.answer_cache(*thread_key), job.ts, previous_field(job.ts))

    async def recall_conversation(self, job: Job) -> CachedConversation:
        """Return the job's conversation with cached answers, and without deleted messages."""
        thread_key = (job.thread.team, job.thread.channel, job.thread.ts)
        timestamps = [turn.ts for turn in job.turns]
        caches = keys.answer_cache(*thread_key), keys.thread_cache(*thread_key)
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.eval(SET_ASIDE, len(caches), *caches, 0)
            pipeline.hgetall(caches[0])
            pipeline.hmget(caches[1], timestamps)
            _, answers, entries = await pipeline.execute()
        parsed = {str(ts): Answer.from_json(entry) for ts, entry in answers.items()}
        # An empty answer is kept for its controls, and is no turn.
        cached = {ts: answer for ts, answer in parsed.items() if answer and answer.text}
        deleted = {ts for ts, entry in zip(timestamps, entries, strict=True) if _is_deletion(entry)}
        texts = {ts: answer.text for ts, answer in cached.items()}
        return CachedConversation(
            merge_answers(drop_deleted(job.turns, deleted), texts, until=job.ts),
            {answer.text: answer.token_ids for answer in cached.values()},
        )


def drop_deleted(turns: Conversation, deleted: set[str]) -> Conversation:
    """Drop deleted messages and the answers to them. The question stays: it is the job."""
    *earlier, question = turns
    return (*(t for t in earlier if not deleted & {t.ts, t.in_reply_to}), question)


def _is_deletion(entry: object) -> bool:
    """Return whether an entry of the bot's thread cache is a tombstone: a version without text."""
    return entry is not None and not str(entry).partition(" ")[2]


def merge_answers(turns: Conversation, answers: dict[str, str], *, until: str) -> Conversation:
    """
    Replace Slack's version of each answer by the cached one, right after its question.

    An answer whose question is not among the turns is dropped: its question was deleted or trimmed.
    """
    question_ids = {turn.ts for turn in turns if turn.speaker is Speaker.USER}
    cached = {ts: text for ts, text in answers.items() if ts in question_ids}
    turns_without_answers = [turn for turn in turns if turn.in_reply_to not in cached]
    answer_turns = [
        Turn(speaker=Speaker.ASSISTANT, text=text, ts=ts, in_reply_to=ts)
        for ts, text in cached.items()
    ]
    return order_turns((*turns_without_answers, *answer_turns), until=until)
