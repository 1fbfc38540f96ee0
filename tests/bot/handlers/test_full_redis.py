"""A full Redis: cached text yields to questions."""

from collections.abc import Iterator

import pytest
from redis import Redis

from contract import keys
from contract.job import job_id
from testing.polling import poll_until
from testing.processes import Process
from testing.queue_inspector import TEAM, find_job, job_turns
from testing.workspace import ADA, GENERAL, LIN, Workspace

pytestmark = pytest.mark.usefixtures("bot")

COPY = keys.thread_cache(TEAM, GENERAL, "1.000001")
COPY_MIB = 20
BYTES_PER_MIB = 1024 * 1024
COPY_BYTES = COPY_MIB * BYTES_PER_MIB


def store_copy(redis: Redis) -> int:
    """Cache a long thread; return a limit of memory (bytes) that only its removal meets."""
    # In pieces: the buffer of one large command would count as memory until it shrinks.
    for number in range(COPY_MIB):
        redis.hset(COPY, f"1.{number:06}", "x" * BYTES_PER_MIB)
    redis.zadd(keys.text_index(TEAM), {COPY: redis.time()[0]})
    redis.hset(keys.text_sizes(TEAM), mapping={COPY: COPY_BYTES, "total": COPY_BYTES})
    memory = redis.info("memory")
    # On a busy disk, the append-only file's buffer holds the copy too. No limit counts it.
    used = int(memory["used_memory"]) - int(memory["mem_not_counted_for_evict"])
    redis.config_set("maxmemory-policy", "noeviction")
    return used - COPY_BYTES // 2


@pytest.fixture(autouse=True)
def restore(redis: Redis, workspace: Workspace) -> Iterator[None]:
    """Remove limits and faults after each test."""
    yield
    redis.config_set("maxmemory", 0)
    workspace.set_faults()


def test_question_is_accepted_by_full_redis(
    workspace: Workspace, redis: Redis, bot: Process
) -> None:
    """Cached threads are dropped until the question fits; Slack still has them."""
    redis.config_set("maxmemory", store_copy(redis))
    ts = workspace.post_message(ADA, GENERAL, "@StarChat what is a mutex?")

    poll_until(lambda: find_job(redis, GENERAL, ts), description="the job")
    assert not redis.exists(COPY)
    assert "redis full" in bot.log_text


def test_thread_is_read_into_full_redis(workspace: Workspace, redis: Redis) -> None:
    """A question that was accepted just before gets its thread."""
    workspace.set_faults(
        {"method": "conversations.replies", "fault": "error", "error": "token_expired", "count": 1}
    )
    root = workspace.post_message(LIN, GENERAL, "the build fails")
    ts = workspace.post_message(ADA, GENERAL, "@StarChat why?", root)
    workspace.wait_for_acks(ts)
    job = job_id(TEAM, GENERAL, ts)
    poll_until(
        lambda: redis.hget(f"rq:job:{job}", keys.NUM_READS) == b"0", description="the postponement"
    )
    # Postponed once more: on a busy disk, the copy is stored in more than the bot's 5 seconds.
    redis.zadd(keys.inbox(TEAM), {job: keys.SECONDS_PER_HOUR}, incr=True)
    limit = store_copy(redis)
    with redis.pipeline() as pipe:
        pipe.zadd(keys.inbox(TEAM), {job: 0})
        pipe.config_set("maxmemory", limit)
        pipe.execute()

    assert job_turns(redis, GENERAL, ts) == [("Lin", "the build fails"), ("Ada", "why?")]
    assert not redis.exists(COPY)
