"""The worker's own finished answers per thread, exactly as generated, for the next turn there."""

from typing import Annotated, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from redis.asyncio import Redis

from contract import keys
from contract.conversation import Conversation, Speaker, Turn, order_turns
from contract.job import Job

MOST: Final = 64
"""Answers kept per thread; what is older comes from Slack like everything else."""


Id = Annotated[int, Field(ge=0, lt=2**31)]
"""A token's id in any vocabulary."""


class Answer(BaseModel):
    """An answer, and the ids by which the model wrote it, where they say just that."""

    model_config = ConfigDict(frozen=True, strict=True)

    text: str
    ids: tuple[Id, ...] = ()


class Recalled(NamedTuple):
    """A conversation, and the ids of the answers in it by their text."""

    turns: Conversation
    spelled: dict[str, tuple[int, ...]]


class Memory:
    """Answers of this app in Redis: hash of the question's `ts` to the answer as JSON."""

    def __init__(self, connection: Redis) -> None:
        """`connection` decodes responses."""
        self._redis = connection

    async def remember(self, job: Job, answer: Answer) -> None:
        """Keep an answer; of a thread's answers the newest `MOST` stay."""
        key = keys.answer_cache(job.thread.team, job.thread.channel, job.thread.ts)
        async with self._redis.pipeline() as pipeline:
            pipeline.hset(key, job.ts, answer.model_dump_json())
            pipeline.expire(key, keys.TEXT_TTL_SECONDS)
            pipeline.hkeys(key)
            *_, kept = await pipeline.execute()
        old = sorted(kept)[:-MOST]
        if old:
            await self._redis.hdel(key, *old)

    async def forget(self, job: Job) -> None:
        """Drop the answer to a job's question."""
        place = (job.thread.team, job.thread.channel, job.thread.ts)
        await self._redis.hdel(keys.answer_cache(*place), job.ts)

    async def recall(self, job: Job) -> Recalled:
        """Return the job's conversation as it stands now: what was deleted since is gone."""
        place = (job.thread.team, job.thread.channel, job.thread.ts)
        stamps = [turn.ts for turn in job.turns]
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hgetall(keys.answer_cache(*place))
            pipeline.hmget(keys.thread_cache(*place), stamps)
            answers, entries = await pipeline.execute()
        known = {str(ts): found for ts, entry in answers.items() if (found := _read(entry))}
        deleted = {ts for ts, entry in zip(stamps, entries, strict=True) if _empty(entry)}
        texts = {ts: answer.text for ts, answer in known.items()}
        return Recalled(
            merged(without(job.turns, deleted), texts, until=job.ts),
            {answer.text: answer.ids for answer in known.values()},
        )


def without(turns: Conversation, deleted: set[str]) -> Conversation:
    """Leave out what was deleted, answers to it included. What asks stays: it is the job."""
    *before, question = turns
    return (*(t for t in before if not deleted & {t.ts, t.in_reply_to}), question)


def _read(entry: str) -> Answer | None:
    """Read an answer; `None` for one that another version of ours wrote: Slack has it too."""
    try:
        return Answer.model_validate_json(entry)
    except ValidationError:
        return None


def _empty(entry: object) -> bool:
    """Whether the bot's copy holds a version of a message and nothing behind it: a deletion."""
    return entry is not None and not str(entry).partition(" ")[2]


def merged(turns: Conversation, answers: dict[str, str], *, until: str) -> Conversation:
    """
    Put each remembered answer behind its question, in place of what Slack shows of it.

    An answer whose question is not among the turns is left out: that message was deleted, or cut.
    """
    asked = {turn.ts for turn in turns if turn.speaker is Speaker.USER}
    known = {ts: text for ts, text in answers.items() if ts in asked}
    kept = [turn for turn in turns if turn.in_reply_to not in known]
    told = [
        Turn(speaker=Speaker.ASSISTANT, text=text, ts=ts, in_reply_to=ts)
        for ts, text in known.items()
    ]
    return order_turns((*kept, *told), until=until)
