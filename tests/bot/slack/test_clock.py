"""Slack's clock: used for outages and signatures instead of the machine's."""

import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest
from redis import Redis

from bot.slack.client import SlackClock
from contract import keys
from contract.job import job_id
from testing.polling import poll_until
from testing.processes import Process, free_port
from testing.queue_inspector import TEAM, pending_job_ids
from testing.redis_server import RedisServer
from testing.workspace import ADA, GENERAL, Workspace

CONNECTED = keys.connection_window(TEAM)
HOUR = 3600
OFF = [-HOUR, HOUR, 24 * HOUR]
"""Seconds that Slack's clock is ahead of the machine's."""


def sync_and_measure(clock: SlackClock, at: float) -> float:
    """Let a clock hear an answer given at a time; return how far it is from it then."""
    clock.sync({"Date": formatdate(at, usegmt=True)})
    return clock.now() - at


def test_clock_starts_with_machine_time() -> None:
    """Without a `Date` header, it is this machine's time."""
    clock = SlackClock()
    clock.sync({})

    assert clock.now() == pytest.approx(time.time(), abs=1)


@pytest.mark.parametrize("off", OFF)
def test_clock_is_set_by_date_header(off: int) -> None:
    """The clock follows `Date` to the second, and corrects itself."""
    clock = SlackClock()

    assert sync_and_measure(clock, 1000.0 + off) == pytest.approx(0, abs=0.5)
    assert sync_and_measure(clock, 1001.0 + off) == pytest.approx(0, abs=0.5)
    # An answer that was under way for a moment does not set it back; another time does.
    assert sync_and_measure(clock, 1000.0 + off) == pytest.approx(1, abs=0.5)
    assert sync_and_measure(clock, 900.0 + off) == pytest.approx(0, abs=0.5)


@pytest.fixture(
    params=[HOUR, *(pytest.param(off, marks=pytest.mark.slow) for off in OFF if off != HOUR)]
)
def workspace(request: pytest.FixtureRequest) -> Iterator[Workspace]:
    """Open a workspace whose clock is not ours."""
    with Workspace("--ahead", str(request.param)) as running:
        yield running


def test_backfill_uses_slack_time(workspace: Workspace, redis: Redis, server: RedisServer) -> None:
    """With a skewed machine clock, a backfill finds all questions, and the skew is logged."""
    old = workspace.post_message(ADA, GENERAL, "@StarChat too early")
    workspace.exhaust_redeliveries(old)
    workspace.wait_for_next_second()
    given = workspace.environment | {"REDIS_URL": server.url}
    with Process("bot", **given) as bot:
        off = bot.wait_for_event("clock differs from slack's")
        poll_until(lambda: redis.hget(CONNECTED, "last"), description="the first heartbeat")
        bot.kill_group()
    ts = workspace.post_message(ADA, GENERAL, "@StarChat what is a mutex?")
    workspace.exhaust_redeliveries(ts)
    with Process("bot", **given) as bot:
        assert bot.wait_for_event("backfill finished")["questions"] == 1

    assert pending_job_ids(redis) == [job_id(TEAM, GENERAL, ts)]
    assert off["level"] == "warning"
    assert off["machine"] == pytest.approx(time.time() - float(ts), abs=30)
    assert off["redis"] == pytest.approx(time.time() - float(ts), abs=30)


def test_signature_age_uses_slack_time(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """With a skewed machine clock, signed requests are accepted."""
    port = free_port()
    given = {"REDIS_URL": server.url, "PORT": str(port), "SLACK_SIGNING_SECRET": "fakeslack"}
    by_http = {k: v for k, v in workspace.environment.items() if k != "SLACK_APP_TOKEN"}
    with Process("bot", **by_http, **given) as bot:
        bot.wait_for_event("ready")
        workspace.send_control("request_url", url=f"http://127.0.0.1:{port}/slack/events")
        ts = workspace.post_message(ADA, GENERAL, "@StarChat hi")

        poll_until(
            lambda: pending_job_ids(redis) == [job_id(TEAM, GENERAL, ts)], description="the job"
        )
