"""Hostile jobs: write access to Redis neither runs code in the worker nor stops it."""

import json
import pickle
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from rq.serializers import JSONSerializer

from contract import keys
from contract.job import QUEUE_NAME
from testing.prepared_queue import PreparedQueue
from testing.queue_inspector import make_job, rq_status, ttl_seconds
from worker.jobs.leases import INTERMEDIATE_QUEUE, JOB_PREFIX, QUEUE_KEY
from worker.jobs.rq_job import RqJobData
from worker.jobs.rq_worker import QUARANTINE, RqWorker


def _plant_job(client: redis.Redis, name: str, **fields: Any) -> str:
    job = f"T1-C1-{name}"
    defaults = {
        "status": "queued",
        "origin": QUEUE_NAME,
        "created_at": "2026-01-01T00:00:00.000000Z",
    }
    client.hset(JOB_PREFIX + job, mapping=cast("Any", defaults | fields))
    client.rpush(QUEUE_KEY, job)
    return job


class _Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.canary, "owned")


def _pack_call(function: str, *arguments: object) -> bytes:
    return zlib.compress(json.dumps([function, None, list(arguments), {}]).encode())


HOSTILE_JOBS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "a-function": lambda canary: {"data": _pack_call("os.system", f"touch {canary}")},
    "a-pickle": lambda canary: {"data": zlib.compress(pickle.dumps(_Bomb(canary)))},
    "bare-pickle": lambda canary: {"data": pickle.dumps(_Bomb(canary))},
    "pickled-meta": lambda canary: {
        "data": _pack_call("os.system", f"touch {canary}"),
        "meta": pickle.dumps(_Bomb(canary)),
        "result": pickle.dumps(_Bomb(canary)),
    },
    "no-data": lambda _: {"x": "y"},
    "no-json": lambda _: {"data": b"\xff\xfe"},
    "no-arguments": lambda _: {"data": _pack_call("starchat.reply")},
    "a-number": lambda _: {"data": _pack_call("starchat.reply", 7)},
    "another-job": lambda _: {"data": _pack_call("starchat.reply", make_job(5).to_json())},
    "a-bad-time": lambda _: {"data": _pack_call("starchat.reply", "{}"), "created_at": "yesterday"},
    "a-bad-number": lambda _: {"data": _pack_call("starchat.reply", "{}"), "result_ttl": "1e999"},
    "deep": lambda _: {"data": b"[" * 100_000},
    "long": lambda _: {"data": b"x" * 300_000},
}


@pytest.mark.parametrize("name", HOSTILE_JOBS)
def test_hostile_job_is_quarantined_and_never_executed(
    client: redis.Redis, job_queue: PreparedQueue, rq_worker: RqWorker, tmp_path: Path, name: str
) -> None:
    """The next job is claimed as usual."""
    canary = tmp_path / "canary"
    job = _plant_job(client, name, **HOSTILE_JOBS[name](canary))
    good = make_job(1)
    job_queue.enqueue(good)

    assert rq_worker.dequeue_job_id() == job
    assert rq_worker.claim_job(job) is None
    assert not canary.exists()
    assert client.zscore(QUARANTINE, job) is not None
    assert rq_status(client, job) == "failed"
    assert client.llen(INTERMEDIATE_QUEUE) == 0
    assert 0 < ttl_seconds(client, job) <= keys.TEXT_TTL_SECONDS
    assert rq_worker.claim_job(str(rq_worker.dequeue_job_id())) is not None


@pytest.mark.parametrize("field", ["data", "exc_info"])
def test_decompression_bomb_is_quarantined_unpacked(
    client: redis.Redis, rq_worker: RqWorker, field: str
) -> None:
    """A short field that decompresses to 100 MB costs no memory."""
    bomb = zlib.compress(b"[" + b" " * 100_000_000 + b"]")
    job = _plant_job(client, "bomb", **{"data": _pack_call("starchat.reply", "{}"), field: bomb})
    assert rq_worker.dequeue_job_id() == job

    tracemalloc.start()
    assert rq_worker.claim_job(job) is None
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert client.zscore(QUARANTINE, job) is not None
    assert most < 20_000_000


def test_callbacks_and_webhooks_are_never_called(
    client: redis.Redis, job_queue: PreparedQueue, rq_worker: RqWorker, tmp_path: Path
) -> None:
    """A valid job with added callbacks is answered; the callbacks are ignored."""
    hook = json.dumps([{"url": "http://127.0.0.1:9/", "status": "finished"}])
    for number, end in ((1, rq_worker.record_success), (2, rq_worker.record_failure)):
        job = make_job(number)
        job_queue.enqueue(job)
        names = [f"{kind}_callback_name" for kind in ("success", "failure", "stopped")]
        added = dict.fromkeys(names, "os.abort") | {"webhooks": hook}
        client.hset(JOB_PREFIX + job.id, mapping=cast("Any", added))
        context = rq_worker.claim_job(str(rq_worker.dequeue_job_id()))
        assert context is not None
        end(context, "word")
        with pytest.raises(ValueError, match="never looked up"):
            _ = RqJobData.fetch(job.id, connection=client, serializer=JSONSerializer).func
    assert list(tmp_path.iterdir()) == []
