"""A full Redis: cached text yields to questions."""

from collections.abc import Iterator

import pytest
from redis import Redis

from contract import keys
from testing.polling import poll_until
from testing.processes import Process
from testing.queue_inspector import TEAM, find_job
from testing.workspace import ADA, GENERAL, Workspace

pytestmark = pytest.mark.usefixtures("bot")

COPY = keys.thread_cache(TEAM, GENERAL, "1.000001")
COPY_BYTES = 20 * 1024 * 1024


@pytest.fixture
def full_redis(redis: Redis) -> Iterator[Redis]:
    """Return a Redis without free memory, most of which holds a cached thread."""
    redis.hset(COPY, "1.000001", "x" * COPY_BYTES)
    redis.zadd(keys.text_index(TEAM), {COPY: redis.time()[0]})
    redis.hset(keys.text_sizes(TEAM), mapping={COPY: COPY_BYTES, "total": COPY_BYTES})
    used = int(redis.info("memory")["used_memory"])
    redis.config_set("maxmemory", used - COPY_BYTES // 2)
    redis.config_set("maxmemory-policy", "noeviction")
    yield redis
    redis.config_set("maxmemory", 0)


def test_question_is_accepted_by_full_redis(
    workspace: Workspace, full_redis: Redis, bot: Process
) -> None:
    """Cached threads are dropped until the question fits; Slack still has them."""
    ts = workspace.post_message(ADA, GENERAL, "@StarChat what is a mutex?")

    poll_until(lambda: find_job(full_redis, GENERAL, ts), description="the job")
    assert not full_redis.exists(COPY)
    assert "redis full" in bot.log_text
