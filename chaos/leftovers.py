"""Leftovers of an unanswered question in Redis, Slack and the logs, without its text."""

from collections.abc import Iterator
from typing import Any, Final

from redis import Redis
from rq.job import Job as RqJob

from chaos.cluster.cluster import Cluster
from chaos.load import Question
from chaos.recovery import question_job_id
from contract import keys
from contract.job import QUEUE_NAME
from testing.worker_harness import TEAM, reply_metadata

QUEUE_LISTS: Final = (f"rq:queue:{QUEUE_NAME}", f"rq:queue:{QUEUE_NAME}:intermediate")
SORTED_SETS: Final = (f"rq:wip:{QUEUE_NAME}", f"rq:deferred:{QUEUE_NAME}", keys.PENDING_JOBS)
TEXT_FIELDS: Final = frozenset({b"data", b"result", keys.ANSWER.encode()})
"""Fields of a job's hash that hold text."""


def describe_leftovers(cluster: Cluster, question: Question) -> Iterator[str]:
    """Yield lines about a question: its job, its deliveries, its messages, its log lines."""
    job = question_job_id(question)
    with cluster.connect_redis() as redis:
        fields: Any = redis.hgetall(RqJob.key_for(job))
        known = {name.decode(): value for name, value in fields.items() if name not in TEXT_FIELDS}
        yield f"{job}: {known or 'no job'}"
        yield f"{job}: in {_find_keys(redis, question, job)}"
    for delivery in cluster.workspace.delivery_attempts(question.ts):
        seconds = (delivery["acked_at"] or delivery["sent_at"]) - delivery["sent_at"]
        details = (
            delivery["event_type"],
            delivery["attempt"],
            delivery["failure"],
            f"{seconds:.2f} s",
        )
        yield f"{job}: delivered at {delivery['sent_at'] - question.asked_at:.1f} s {details}"
    yield from (f"{job}: {line}" for line in _describe_messages(cluster, question))
    for process in cluster.processes:
        for line in list(process.lines):
            if job in line or question.ts in line:
                yield f"{process.module} {process.pid}: {line}"


def _describe_messages(cluster: Cluster, question: Question) -> Iterator[str]:
    for change in cluster.workspace.message_changes():
        metadata = reply_metadata(change["message"])
        if metadata.get("question") == question.ts:
            at = change["at"] - question.asked_at
            yield f"{change['type']} {change['message']['ts']} {metadata['state']} at {at:.1f} s"


def _find_keys(redis: Redis, question: Question, job: str) -> list[str]:
    thread_key = keys.thread_queue(TEAM, question.channel, question.thread)
    user_key = keys.user_quota(TEAM, question.user)
    lists = (*QUEUE_LISTS, thread_key, f"{user_key}:waiting")
    found = [name for name in lists if job.encode() in redis.lrange(name, 0, -1)]
    for name in SORTED_SETS:
        members: Any = redis.zrange(name, 0, -1)
        found += [name for member in members if member.startswith(job.encode())]
    sets: Any = (
        (name, redis.smembers(name)) for name in (f"{user_key}:pending", f"{user_key}:running")
    )
    found += [name for name, members in sets if job.encode() in members]
    return found + [key for key in (keys.job_lease(job),) if redis.exists(key)]
