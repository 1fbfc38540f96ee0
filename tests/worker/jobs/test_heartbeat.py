"""Heartbeat: renews leases while the event loop ticks, and reports lost ones."""

import asyncio
import time

import redis

from contract import keys
from testing.redis_server import RedisServer
from tests.worker.jobs.lease_steps import (
    LONG_LEASE_SECONDS,
    SHORT_LEASE_SECONDS,
    start_job,
    wait_until_expired,
)
from worker.jobs.heartbeat import Heartbeat
from worker.jobs.leases import (
    Lease,
    LeaseManager,
)


async def test_heartbeat_renews_leases_and_reports_lost_ones(
    server: RedisServer, client: redis.Redis
) -> None:
    """A lease outlives its duration while its worker is live."""
    lost: asyncio.Queue[Lease] = asyncio.Queue()
    lease = start_job(client, LeaseManager(client, 1.0, "w"))
    with redis.Redis.from_url(server.url) as connection:
        heartbeat = Heartbeat(connection, 1.0, 0.1)
        heartbeat.add_lease(lease)
        loop = asyncio.get_running_loop()
        heartbeat.start_beats(lambda gone: loop.call_soon_threadsafe(lost.put_nowait, gone))
        heartbeat.record_tick()
        await asyncio.sleep(1.5)
        assert client.get(keys.job_lease(lease.job_id)) == lease.execution_id.encode()
        assert heartbeat.is_healthy()

        client.set(keys.job_lease(lease.job_id), "another", px=60_000)
        assert await asyncio.wait_for(lost.get(), 10) == lease
        heartbeat.stop_beats()
        assert not heartbeat.is_healthy()


async def test_heartbeat_of_hung_event_loop_renews_nothing(
    server: RedisServer, client: redis.Redis
) -> None:
    """The jobs of a hung worker go to a live one."""
    lease = start_job(client, LeaseManager(client, SHORT_LEASE_SECONDS, "w"))
    with redis.Redis.from_url(server.url) as connection:
        heartbeat = Heartbeat(
            connection, SHORT_LEASE_SECONDS, SHORT_LEASE_SECONDS / 6, stall_seconds=0.05
        )
        heartbeat.add_lease(lease)
        heartbeat.start_beats(print)
        await asyncio.sleep(0.1)
        wait_until_expired(client, lease.job_id)
        assert LeaseManager(client, LONG_LEASE_SECONDS, "w").reap_jobs() == [lease.job_id]
        heartbeat.stop_beats()


def test_heartbeat_survives_a_redis_outage() -> None:
    """The thread continues and reports the time of the last failure."""
    with RedisServer() as server, redis.Redis.from_url(server.url) as connection:
        heartbeat = Heartbeat(connection, SHORT_LEASE_SECONDS, 0.02)
        heartbeat.start_beats(print)
        assert heartbeat.seconds_since_failure() == float("inf")
        server.kill_server()
        deadline = time.monotonic() + 10
        while heartbeat.seconds_since_failure() == float("inf") and time.monotonic() < deadline:
            time.sleep(0.01)
        assert heartbeat.seconds_since_failure() < 10
        assert heartbeat.is_healthy()
        server.restart_server()
        heartbeat.stop_beats()
