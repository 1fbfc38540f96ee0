"""Rows in which Redis dies, stands still, is slow or full, or loses replies and its last words."""

import os
import signal
import time
from typing import Final

from redis import Redis

from chaos.cluster.redis_proxy import CALM, Trouble
from chaos.fault_loop import Havoc
from chaos.load import LONG, Question
from chaos.run import Trial
from chaos.scenario import Row
from chaos.scenarios.bot_failures import charged
from testing.polling import until

AWAY: Final = 20.0
"""Seconds that Redis is gone, which is longer than any lease."""
FULL: Final = 5.0
"""Seconds that Redis takes nothing in, which is longer than a lease here."""
ROOM: Final = 2048
"""Bytes that its file may still grow by."""
CUTS: Final = (1, 7, 60, 200)
"""Bytes that the append-only file lacks at its end after a power cut."""


def killed(trial: Trial) -> None:
    """Kill Redis every two seconds; its file keeps what it has acknowledged."""
    with Havoc(trial.dice, 2.0, trial.kill_redis):
        trial.ask(trial.many(100), over=12 * trial.scale)


def gone(trial: Trial) -> None:
    """Take Redis away for longer than a lease while replies are being generated."""
    trial.ask(trial.many(30, 10))
    trial.stage.redis.kill()
    trial.faults["redis gone"] += 1
    trial.ask(trial.many(10, 4), over=AWAY * max(trial.scale, 0.4))
    trial.stage.redis.restart()
    back = time.monotonic()
    trial.settle()
    trial.notes.append(f"all answered {time.monotonic() - back:.1f} s after it was back")
    trial.notes.append(f"generated twice {charged(trial)}")


def wire(trial: Trial) -> None:
    """Make the wire slow, break it before and after the effect, and stop it."""
    proxy = trial.stage.proxy
    assert proxy is not None
    for trouble, over in (
        (Trouble(latency=0.3), 4.0),
        (Trouble(reset=0.05, lose=0.05), 6.0),
        (Trouble(stalled=True), 4.0),
        (Trouble(away=True), 3.0),
    ):
        proxy.trouble = trouble
        if trouble.away:
            proxy.cut()
        trial.ask(trial.many(20, 6), over=over)
        trial.faults["redis wire"] += 1
        proxy.trouble = CALM
    os.kill(trial.stage.redis.pid, signal.SIGSTOP)
    trial.faults["redis asleep"] += 1
    trial.ask(trial.many(10, 4), over=5.0)
    os.kill(trial.stage.redis.pid, signal.SIGCONT)


def slow(trial: Trial) -> None:
    """Let Redis answer so late that the bot cannot acknowledge in time."""
    proxy = trial.stage.proxy
    assert proxy is not None
    for latency in (0.8, 2.5, 3.5):
        proxy.trouble = Trouble(latency=latency)
        trial.faults[f"{latency} s late"] += 1
        trial.ask(trial.many(8, 3), over=3.0)
        proxy.trouble = CALM
        trial.settle()


def full(trial: Trial) -> None:
    """Leave Redis no memory while replies are generated and people go on asking."""
    trial.ask(trial.many(16, 6))
    with trial.stage.direct() as redis:
        redis.config_set("maxmemory", "1")
        trial.faults["redis full"] += 1
        asked = trial.ask(trial.many(30, 10), over=FULL)
        redis.config_set("maxmemory", "0")
    room = time.monotonic()
    trial.settle()
    trial.notes.append(f"all answered {time.monotonic() - room:.1f} s after there was room again")
    sent = [e for question in asked for e in trial.stage.workspace.envelopes(question.ts)]
    failed = sum(bool(envelope["failure"]) for envelope in sent)
    trial.notes.append(f"{failed} of {len(sent)} deliveries not acknowledged")
    if not failed:
        trial.broken.append("all was taken in although Redis was full")


def no_disk(trial: Trial) -> None:
    """Leave Redis no room for its file while replies are generated, and kill it later."""
    server = trial.stage.redis
    trial.ask(trial.many(16, 6))
    server.fill(ROOM)
    trial.faults["disk full"] += 1
    trial.ask(trial.many(16, 6))
    with trial.stage.direct() as redis:
        until(lambda: _written(redis) == "err", what="a write that failed")
        asked = {question.ts for question in trial.ask(trial.many(20, 8), over=FULL)}
        room = time.monotonic()
        sent = [e for e in trial.stage.workspace.envelopes() if e["ts"] in asked]
        server.free()
        until(lambda: _written(redis) == "ok", what="a write that works")
    trial.kill_redis()
    trial.settle()
    took = [e for e in sent if e["acked_at"] and e["acked_at"] < room]
    if took or not sent:
        trial.broken.append(f"{len(took)} deliveries acknowledged that were not kept")
    trial.notes.append(f"{len(sent)} deliveries while it was full, {len(took)} acknowledged")
    trial.notes.append(f"all answered {time.monotonic() - room:.1f} s after there was room again")


def emptied(trial: Trial) -> None:
    """Empty Redis, as an operator may, while replies grow and questions wait."""
    trial.ask(trial.many(16, 8))
    stage, dice = trial.stage, trial.dice
    asked = [
        trial.say(LONG, person=dice.choice(stage.people), channel=dice.choice(stage.channels))
        for _ in range(trial.many(40, 20))
    ]
    until(
        lambda: any(trial.following.count(q, "growing") for q in asked), what="a reply that grows"
    )
    with stage.direct() as redis:
        open_ones = trial.following.open(asked)
        begun = [question for question in open_ones if trial.following.messages(question)]
        redis.flushall()
        trial.faults["redis emptied"] += 1
    since = time.monotonic()
    trial.ask(trial.many(16, 6))
    trial.settle()
    trial.notes.append(f"{len(begun)} replies under way, {len(open_ones) - len(begun)} waiting")
    trial.notes.append(f"all answered {time.monotonic() - since:.1f} s later")
    if not begun:
        trial.broken.append("nothing was under way")
    for process in (*stage.bots, *stage.workers):
        if process.poll() is not None:
            trial.broken.append(f"{process.room} ended by itself")


def _written(redis: Redis) -> str:
    return str(redis.info("persistence")["aof_last_write_status"])


def cut(trial: Trial) -> None:
    """Kill Redis and take the last bytes off its file, which nothing promised stands in."""
    server = trial.stage.redis
    for size in CUTS:
        _wait_kept(trial, trial.ask(trial.many(8, 4)), size)
        server.kill()
        server.cut(size)
        server.restart()
        trial.faults["tail cut off"] += 1
    trial.settle()
    trial.notes.append(f"{', '.join(map(str, CUTS))} bytes cut off")


def _wait_kept(trial: Trial, questions: list[Question], size: int) -> None:
    """Wait until these are acknowledged, and the file then grows by more than `size` bytes."""
    server, asked = trial.stage.redis, {question.ts for question in questions}

    def acknowledged() -> bool:
        sent = trial.stage.workspace.envelopes()
        return asked <= {envelope["ts"] for envelope in sent if envelope["acked_at"]}

    until(acknowledged, what="acknowledgements")
    written = server.appended + size
    until(lambda: server.appended > written, what="further writing")


ROWS: Final = (
    Row("R1", "redis killed every 2 s, append-only file", killed),
    Row("R1g", "redis gone for 20 s", gone),
    Row("R2", "wire to redis slow, broken before and after, stalled, refused; redis asleep", wire),
    Row("R3", "redis full for 5 s, nothing evicted", full),
    Row("R4", "redis killed, its append-only file cut off at the end", cut),
    Row("R4d", "no room for redis' file for 5 s, then redis killed", no_disk),
    Row("R7", "redis emptied while replies grow and questions wait", emptied),
    Row("S8", "redis answers 0.8, 2.5 and 3.5 s late", slow),
)
