"""Whoever can write to Redis neither runs code in a worker nor holds it up, whatever they write."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from structlog.testing import capture_logs

from bot.store.job_queue import Limits, Outbox
from testing.jobs import question
from testing.polling import until
from testing.redis_server import RedisServer
from tests.adversarial.entries import corpus
from tests.adversarial.envelopes import WORD
from tests.adversarial.line import Line
from worker.jobs.leases import INTERMEDIATE, Claims
from worker.jobs.rq_worker import RqWorker


@pytest.fixture
def client() -> Iterator[redis.Redis]:
    """A connection to a server of this test's own."""
    with RedisServer() as server, redis.Redis.from_url(server.url) as client:
        yield client


def test_every_bad_entry_ends_as_it_must(
    client: redis.Redis, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing runs, nothing is told of it, all that is unreadable is parked, and work goes on."""
    caplog.set_level(logging.DEBUG)
    canary = tmp_path / "canary"
    worker = RqWorker(client, "w1", Claims(client, 30.0, "w1"), 3600)
    worker.register_birth()  # type: ignore[no-untyped-call]
    cases = list(corpus(str(canary)))
    line = Line(client, worker)
    line.put(cases)
    with capture_logs() as events:
        ends = [line.take() for _ in cases]
    Outbox(client, Limits()).accept(question(1))

    wrong = [
        f"{case.id}: {end}, not {case.end}; {faults}"
        for case, (end, faults) in zip(cases, ends, strict=True)
        if end is not case.end or faults
    ]
    assert not wrong, "\n".join(wrong)
    assert not canary.exists()
    assert WORD not in json.dumps(events, default=str) + caplog.text
    assert worker.begin(str(worker.dequeue())) is not None
    reaper = Claims(client, 0.02, "w2")
    until(lambda: reaper.reap() == [] and not strays(client), what="the last id to go")


def strays(client: redis.Redis) -> list[object]:
    """Return what is still in a worker's hands."""
    return list(client.lrange(INTERMEDIATE, 0, -1))
