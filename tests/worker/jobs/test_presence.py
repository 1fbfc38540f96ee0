"""Worker presence: the status that workers publish to bots and to each other."""

import pytest
import redis
from redis.asyncio import Redis

from contract import keys
from contract.worker_status import live_workers
from worker.answering.running_mean import RunningMean
from worker.jobs.presence import DEAD_ENTRY_SECONDS, WorkerPresence


async def publish_status(connection: Redis, name: str, *, loading: bool) -> WorkerPresence:
    """Publish the status of a worker."""
    presence = WorkerPresence(connection, name)
    await presence.publish_status(slots=4, busy=1, loading=loading, reply_seconds=2.5)
    return presence


async def test_published_status_is_readable_by_bots(
    client: redis.Redis, loop_client: Redis
) -> None:
    """Slots, busy slots and reply duration give a bot its queue estimate."""
    beats = await publish_status(loop_client, "w1", loading=False)
    seconds, _ = client.time()
    raw = client.hgetall(keys.WORKER_STATUSES)
    assert isinstance(raw, dict)
    statuses = {bytes(name): bytes(value) for name, value in raw.items()}  # type: ignore[arg-type]
    [beat] = live_workers(statuses, float(seconds))
    assert (beat.slots, beat.busy_slots, beat.loading, beat.seconds_per_reply) == (4, 1, False, 2.5)
    await beats.remove_status()
    assert client.hlen(keys.WORKER_STATUSES) == 0


async def test_worker_learns_when_bots_did_not_know_of_it(
    client: redis.Redis, loop_client: Redis
) -> None:
    """At first, and after another worker took it for dead."""
    presence = WorkerPresence(loop_client, "w1")

    async def publish() -> bool:
        return await presence.publish_status(slots=1, busy=0, loading=False, reply_seconds=None)

    assert [await publish(), await publish()] == [True, False]
    client.hdel(keys.WORKER_STATUSES, "w1")
    assert [await publish(), await publish()] == [True, False]


async def test_ready_peers_are_other_workers_with_a_model(
    client: redis.Redis, loop_client: Redis
) -> None:
    """A worker counts neither itself nor loading workers."""
    own = await publish_status(loop_client, "w1", loading=False)
    assert not await own.has_ready_peers()
    await publish_status(loop_client, "w2", loading=True)
    assert not await own.has_ready_peers()
    await publish_status(loop_client, "w3", loading=False)
    assert await own.has_ready_peers()


async def test_dead_workers_are_not_ready_and_expire(
    client: redis.Redis, loop_client: Redis
) -> None:
    """After an hour their entries are deleted."""
    own = await publish_status(loop_client, "w1", loading=False)
    silent = '{"reported_at": %f, "slots": 4, "busy_slots": 0}'
    seconds, _ = client.time()
    client.hset(
        keys.WORKER_STATUSES, "silent", silent % (float(seconds) - keys.WORKER_STALE_SECONDS - 5)
    )
    client.hset(
        keys.WORKER_STATUSES,
        "dead",
        silent % (float(seconds) - DEAD_ENTRY_SECONDS - keys.WORKER_STALE_SECONDS - 5),
    )
    client.hset(keys.WORKER_STATUSES, "nonsense", "?")
    assert not await own.has_ready_peers()
    assert sorted(client.hkeys(keys.WORKER_STATUSES)) == [b"silent", b"w1"]


def test_running_mean_follows_the_newest_samples() -> None:
    """It starts as the mean of all; old samples lose their weight."""
    pace = RunningMean()
    seen = [pace.mean_seconds]
    for seconds in (2.0, *[12.0] * 300):
        pace.add_sample(seconds)
        seen.append(pace.mean_seconds)
    assert seen[:4] == [None, 2.0, 7.0, pytest.approx(26 / 3)]
    assert 11.9 < (seen[-1] or 0) <= 12.0


def test_running_mean_is_not_dominated_by_the_last_burst() -> None:
    """The longest replies of a burst end last."""
    pace = RunningMean()
    for _ in range(10):
        for seconds in (*[1.0] * 35, *[10.0] * 5):
            pace.add_sample(seconds)
    average = (35 + 5 * 10) / 40
    assert pace.mean_seconds == pytest.approx(average, rel=0.5)
