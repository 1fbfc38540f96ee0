"""Redis failures: kills, outages, slow or full servers, lost replies, lost data."""

import os
import signal
import time
from typing import Final

from redis import Redis

from chaos.cluster.redis_proxy import NO_FAULT, NetworkFault
from chaos.fault_loop import FaultLoop
from chaos.load import LONG_QUESTION, Question
from chaos.run import ScenarioRun
from chaos.scenario import Scenario
from chaos.scenarios.bot_failures import count_extra_attempts
from testing.polling import poll_until

OUTAGE_SECONDS: Final = 20.0
"""Time without Redis, longer than a lease."""
FULL_SECONDS: Final = 5.0
"""Time in which Redis accepts no write, longer than a lease."""
SPARE_BYTES: Final = 2048
"""Bytes left on the disk of the append-only file."""
CUT_BYTES: Final = (1, 7, 60, 200)
"""Bytes missing at the end of the append-only file after a power cut."""


def kill_repeatedly(run: ScenarioRun) -> None:
    """Kill Redis every two seconds; its append-only file keeps each acknowledged write."""
    with FaultLoop(run.rng, 2.0, run.kill_redis):
        run.ask_questions(run.scale_count(100), seconds=12 * run.scale)


def outlast_lease(run: ScenarioRun) -> None:
    """Stop Redis for longer than a lease while replies are generated."""
    run.ask_questions(run.scale_count(30, 10))
    run.cluster.redis.kill_server()
    run.faults["redis gone"] += 1
    run.ask_questions(run.scale_count(10, 4), seconds=OUTAGE_SECONDS * max(run.scale, 0.4))
    run.cluster.redis.restart_server()
    restored_at = time.monotonic()
    run.wait_for_replies()
    run.notes.append(f"all answered {time.monotonic() - restored_at:.1f} s after it was back")
    run.notes.append(f"generated twice {count_extra_attempts(run)}")


def disrupt_connections(run: ScenarioRun) -> None:
    """Delay, cut, stall and refuse the connections to Redis, and suspend Redis itself."""
    proxy = run.cluster.redis_proxy
    assert proxy is not None
    for fault, seconds in (
        (NetworkFault(latency_seconds=0.3), 4.0),
        (NetworkFault(reset_probability=0.05, lost_reply_probability=0.05), 6.0),
        (NetworkFault(stalled=True), 4.0),
        (NetworkFault(refused=True), 3.0),
    ):
        proxy.fault = fault
        if fault.refused:
            proxy.cut_connections()
        run.ask_questions(run.scale_count(20, 6), seconds=seconds)
        run.faults["redis connection"] += 1
        proxy.fault = NO_FAULT
    os.kill(run.cluster.redis.pid, signal.SIGSTOP)
    run.faults["redis suspended"] += 1
    run.ask_questions(run.scale_count(10, 4), seconds=5.0)
    os.kill(run.cluster.redis.pid, signal.SIGCONT)


def delay_replies(run: ScenarioRun) -> None:
    """Delay Redis' replies until the bot cannot acknowledge within three seconds."""
    proxy = run.cluster.redis_proxy
    assert proxy is not None
    for latency in (0.8, 2.5, 3.5):
        proxy.fault = NetworkFault(latency_seconds=latency)
        run.faults[f"{latency} s late"] += 1
        run.ask_questions(run.scale_count(8, 3), seconds=3.0)
        proxy.fault = NO_FAULT
        run.wait_for_replies()


def fill_memory(run: ScenarioRun) -> None:
    """Set Redis' `maxmemory` to one byte while replies are generated and users ask."""
    run.ask_questions(run.scale_count(16, 6))
    with run.cluster.connect_redis() as redis:
        redis.config_set("maxmemory", "1")
        run.faults["redis full"] += 1
        asked = run.ask_questions(run.scale_count(30, 10), seconds=FULL_SECONDS)
        redis.config_set("maxmemory", "0")
    restored_at = time.monotonic()
    run.wait_for_replies()
    run.notes.append(
        f"all answered {time.monotonic() - restored_at:.1f} s after space was available"
    )
    sent = [e for question in asked for e in run.cluster.workspace.delivery_attempts(question.ts)]
    failed = sum(bool(envelope["failure"]) for envelope in sent)
    run.notes.append(f"{failed} of {len(sent)} deliveries not acknowledged")
    if not failed:
        run.failures.append("every delivery acknowledged although Redis was full")


def fill_disk(run: ScenarioRun) -> None:
    """Fill the disk of Redis' file while replies are generated, and kill Redis afterwards."""
    server = run.cluster.redis
    run.ask_questions(run.scale_count(16, 6))
    server.limit_disk(SPARE_BYTES)
    run.faults["disk full"] += 1
    run.ask_questions(run.scale_count(16, 6))
    with run.cluster.connect_redis() as redis:
        poll_until(lambda: _last_write_status(redis) == "err", description="a write that failed")
        asked = {
            question.ts
            for question in run.ask_questions(run.scale_count(20, 8), seconds=FULL_SECONDS)
        }
        restored_at = time.monotonic()
        sent = [e for e in run.cluster.workspace.delivery_attempts() if e["ts"] in asked]
        server.lift_disk_limit()
        poll_until(lambda: _last_write_status(redis) == "ok", description="a write that works")
    run.kill_redis()
    run.wait_for_replies()
    acknowledged = [e for e in sent if e["acked_at"] and e["acked_at"] < restored_at]
    if acknowledged or not sent:
        run.failures.append(f"{len(acknowledged)} deliveries acknowledged but not stored")
    run.notes.append(f"{len(sent)} deliveries while it was full, {len(acknowledged)} acknowledged")
    run.notes.append(
        f"all answered {time.monotonic() - restored_at:.1f} s after space was available"
    )


def flush_everything(run: ScenarioRun) -> None:
    """Flush Redis while replies are generated and questions are queued."""
    run.ask_questions(run.scale_count(16, 8))
    cluster, rng = run.cluster, run.rng
    asked = [
        run.ask_one(
            LONG_QUESTION, user=rng.choice(cluster.users), channel=rng.choice(cluster.channels)
        )
        for _ in range(run.scale_count(40, 20))
    ]
    poll_until(
        lambda: any(run.watcher.count_versions(q, "growing") for q in asked),
        description="a growing reply",
    )
    with cluster.connect_redis() as redis:
        open_questions = run.watcher.find_open(asked)
        growing = [question for question in open_questions if run.watcher.list_messages(question)]
        redis.flushall()
        run.faults["redis emptied"] += 1
    flushed_at = time.monotonic()
    run.ask_questions(run.scale_count(16, 6))
    run.wait_for_replies()
    run.notes.append(
        f"{len(growing)} replies under way, {len(open_questions) - len(growing)} waiting"
    )
    run.notes.append(f"all answered {time.monotonic() - flushed_at:.1f} s later")
    if not growing:
        run.failures.append("no reply was under way")
    for process in (*cluster.bots, *cluster.workers):
        if process.poll() is not None:
            run.failures.append(f"{process.module} exited")


def _last_write_status(redis: Redis) -> str:
    return str(redis.info("persistence")["aof_last_write_status"])


def truncate_file(run: ScenarioRun) -> None:
    """Kill Redis and truncate its file behind the last acknowledged write, several times."""
    server = run.cluster.redis
    for size in CUT_BYTES:
        _wait_until_written(run, run.ask_questions(run.scale_count(8, 4)), size)
        server.kill_server()
        server.truncate_append_only_file(size)
        server.restart_server()
        run.faults["tail cut off"] += 1
    run.wait_for_replies()
    run.notes.append(f"{', '.join(map(str, CUT_BYTES))} bytes cut off")


def _wait_until_written(run: ScenarioRun, questions: list[Question], size: int) -> None:
    """Wait until the questions are acknowledged and the file has grown by `size` bytes more."""
    server, asked = run.cluster.redis, {question.ts for question in questions}

    def has_all_acks() -> bool:
        sent = run.cluster.workspace.delivery_attempts()
        return asked <= {envelope["ts"] for envelope in sent if envelope["acked_at"]}

    poll_until(has_all_acks, description="acknowledgements")
    target_size = server.append_only_bytes + size
    poll_until(
        lambda: server.append_only_bytes > target_size,
        description="more writes to the append-only file",
    )


REDIS_FAILURES: Final = (
    Scenario(
        "redis-killed-repeatedly", "R1", "redis killed every 2 s, append-only file", kill_repeatedly
    ),
    Scenario("redis-down-longer-than-lease", "R1g", "redis gone for 20 s", outlast_lease),
    Scenario(
        "redis-connection-faults",
        "R2",
        "connection to redis slow, cut before and after, stalled, refused; redis suspended",
        disrupt_connections,
    ),
    Scenario("redis-out-of-memory", "R3", "redis full for 5 s, nothing evicted", fill_memory),
    Scenario(
        "redis-append-only-file-truncated",
        "R4",
        "redis killed, its append-only file cut off at the end",
        truncate_file,
    ),
    Scenario("redis-disk-full", "R4d", "redis' disk full for 5 s, then redis killed", fill_disk),
    Scenario(
        "redis-emptied",
        "R7",
        "redis emptied while replies are generated and questions are queued",
        flush_everything,
    ),
    Scenario("redis-slow", "S8", "redis answers 0.8, 2.5 and 3.5 s late", delay_replies),
)
