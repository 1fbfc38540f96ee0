"""What Redis and the logs still know of a question that has no reply; never its text."""

from collections.abc import Iterator
from typing import Any, Final

from redis import Redis
from rq.job import Job as RqJob

from chaos.cluster.cluster import Stage
from chaos.load import Question
from chaos.recovery import job_of
from contract import keys
from contract.job import QUEUE
from testing.worker_harness import TEAM, payload

LISTS: Final = (f"rq:queue:{QUEUE}", f"rq:queue:{QUEUE}:intermediate")
SORTED: Final = (f"rq:wip:{QUEUE}", f"rq:deferred:{QUEUE}", keys.PENDING)
SILENT: Final = frozenset({b"data", b"result", keys.ANSWER.encode()})
"""Fields of a job that hold text."""


def remains(stage: Stage, question: Question) -> Iterator[str]:
    """Yield a line for each thing that is known."""
    job = job_of(question)
    with stage.direct() as redis:
        fields: Any = redis.hgetall(RqJob.key_for(job))
        known = {name.decode(): value for name, value in fields.items() if name not in SILENT}
        yield f"{job}: {known or 'no job'}"
        yield f"{job}: in {_where(redis, question, job)}"
    for sent in stage.workspace.envelopes(question.ts):
        took = (sent["acked_at"] or sent["sent_at"]) - sent["sent_at"]
        what = (sent["event_type"], sent["attempt"], sent["failure"], f"{took:.2f} s")
        yield f"{job}: told at {sent['sent_at'] - question.asked_at:.1f} s {what}"
    yield from (f"{job}: {what}" for what in _shown(stage, question))
    for process in stage.processes:
        for line in list(process.lines):
            if job in line or question.ts in line:
                yield f"{process.room} {process.pid}: {line}"


def _shown(stage: Stage, question: Question) -> Iterator[str]:
    for change in stage.workspace.changes():
        said = payload(change["message"])
        if said.get("question") == question.ts:
            at = change["at"] - question.asked_at
            yield f"{change['type']} {change['message']['ts']} {said['state']} at {at:.1f} s"


def _where(redis: Redis, question: Question, job: str) -> list[str]:
    lane = keys.lane(TEAM, question.channel, question.thread)
    person = keys.person(TEAM, question.person)
    lists = (*LISTS, lane, f"{person}:waiting")
    found = [name for name in lists if job.encode() in redis.lrange(name, 0, -1)]
    for name in SORTED:
        members: Any = redis.zrange(name, 0, -1)
        found += [name for member in members if member.startswith(job.encode())]
    sets: Any = (
        (name, redis.smembers(name)) for name in (f"{person}:pending", f"{person}:running")
    )
    found += [name for name, members in sets if job.encode() in members]
    return found + [key for key in (keys.lease(job),) if redis.exists(key)]
