"""Secrets and texts stay out of logs, metrics and Redis keys during faults of every kind."""

import json
import os
import re
import signal
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

import pytest

from contract import keys
from contract.job import QUEUE_NAME
from testing.checkpoints import memorizing_checkpoint
from testing.leak_scanner import (
    RedisEntry,
    find_entries,
    read_all_entries,
    read_health_page,
    read_proc_file,
    run_rq_info,
)
from testing.memorizing_model import ANSWERS, ENDLESS, MUTEX
from testing.polling import poll_until
from testing.process_tree import find_engine, kill_engine
from testing.processes import Process, free_port
from testing.product import Product
from testing.secret_samples import SampleMaker
from testing.worker_harness import reply_metadata
from testing.workspace import ADA, APP_TOKEN, BOT_TOKEN, GENERAL, PYTHON, Messages

SIGNING_SECRET: Final = "signing-canary-4711"
PASTED_KEY: Final = SampleMaker().draw_secret("AK~IA[U16]")
CANARY_WORD: Final = "heliotrope-canary"
"""A word in every question of these tests."""
QUESTION_TEXTS: Final = (CANARY_WORD, MUTEX, ENDLESS, ANSWERS[MUTEX])
HEALTH_PATHS: Final = ("/healthz", "/readyz", "/metrics")
SLACK_FAULTS: Final = ("status", "status_after", "html", "truncated", "drop_before", "drop_after")


@dataclass(frozen=True)
class ObservedData:
    """Everything visible from outside after the faults."""

    logs: str
    pages: str
    info: str
    redis: list[RedisEntry]
    commands: dict[str, list[str]]
    engine: list[str]
    secrets: tuple[str, ...]


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    """A product with debug logs and health endpoints."""
    with Product(
        str(memorizing_checkpoint()),
        worker=False,
        forked=True,
        HEALTH_PORT=str(free_port()),
        STARCHAT_LOG_LEVEL="DEBUG",
        SLACK_SIGNING_SECRET=SIGNING_SECRET,
    ) as product:
        worker = product.start_worker(HEALTH_PORT=str(free_port()))
        worker.wait_for_event("model loaded")
        yield product


@pytest.fixture(scope="module")
def observed(product: Product) -> ObservedData:
    """Cause each fault once, then collect everything visible."""
    inject_slack_faults(product)
    enqueue_broken_jobs(product)
    kill_engine_while_generating(product)
    interrupt_redis(product)
    paste_secret(product)
    product.ask_question(f"@StarChat {MUTEX}", GENERAL)
    return collect_observed(product)


def inject_slack_faults(product: Product) -> None:
    """Ask while Slack fails in every way, and send an unreadable event."""
    rules = [{"fault": fault, "method": "chat.*", "probability": 0.1} for fault in SLACK_FAULTS]
    refused = {"fault": "error", "error": "invalid_blocks", "method": "chat.update", "count": 1}
    product.workspace.set_faults(refused, *rules, seed=3)
    product.workspace.send_control("event", event={"type": "message", "text": CANARY_WORD, "ts": 7})
    product.workspace.post_message(ADA, GENERAL, f"@StarChat {CANARY_WORD} first")
    ts = product.workspace.post_message(ADA, GENERAL, f"@StarChat {CANARY_WORD} second")
    product.workspace.post_message(ADA, GENERAL, "@StarChat help")
    product.wait_for_answer(GENERAL, ts, ts)
    product.workspace.set_faults()


def enqueue_broken_jobs(product: Product) -> None:
    """Enqueue broken jobs with text in every field that an error could quote."""
    broken = json.dumps(
        {"version": CANARY_WORD, CANARY_WORD: [CANARY_WORD], "turns": [{"text": CANARY_WORD}]}
    )
    data = {
        "broken": zlib.compress(
            json.dumps([CANARY_WORD, None, [broken], {CANARY_WORD: CANARY_WORD}]).encode()
        ),
        "bare": CANARY_WORD.encode(),
    }
    with product.redis.connect_as() as redis:
        for name, packed in data.items():
            job = f"T0FAKE0001-{GENERAL}-{name}"
            fields = {
                "status": "queued",
                "data": packed,
                "created_at": CANARY_WORD,
                "webhooks": CANARY_WORD,
            }
            redis.hset(f"rq:job:{job}", mapping=cast("Any", fields))
            redis.rpush(f"rq:queue:{QUEUE_NAME}", job)
    product.workers[0].wait_for_event("unreadable job quarantined")


def kill_engine_while_generating(product: Product) -> None:
    """Kill the engine while it generates a reply."""
    ts = product.workspace.post_message(ADA, PYTHON, f"@StarChat {ENDLESS}")
    wait_until_growing(product, PYTHON, ts)
    kill_engine(product.workers[0].pid)
    product.wait_for_answer(PYTHON, ts, ts)


def interrupt_redis(product: Product) -> None:
    """Ask while Redis is down."""
    product.redis.kill_server()
    ts = product.workspace.post_message(ADA, PYTHON, f"@StarChat {CANARY_WORD} third")
    product.bot.wait_for_event("not acknowledged")
    product.redis.restart_server()
    product.workspace.redeliver_events(ts)
    product.wait_for_answer(PYTHON, ts, ts)


def paste_secret(product: Product) -> None:
    """Let people paste a secret before the question, into the question, and by an edit."""
    root = product.workspace.post_message(ADA, GENERAL, f"it needs `{PASTED_KEY}`")
    ts, _ = product.ask_question(f"@StarChat why does `{PASTED_KEY}` fail?", GENERAL, root)
    product.workspace.edit_message(ADA, GENERAL, ts, f"@StarChat or id = '{PASTED_KEY}'?")


def collect_observed(product: Product) -> ObservedData:
    """Collect everything that is visible now."""
    worker = product.workers[0]
    engine = find_engine(worker.pid)
    ports = [health_port_of(product.bot), health_port_of(worker)]
    urls = [product.redis.url_for(user) for user in ("bot", "worker")]
    passwords = [re.findall(r"//\w+:(.+)@", url)[0] for url in urls]
    product.wait_until_idle()
    with product.redis.connect_as() as redis:
        entries = read_all_entries(redis)
    return ObservedData(
        logs=product.all_logs,
        pages="\n".join(
            read_health_page(number, path) for number in ports for path in HEALTH_PATHS
        ),
        info=run_rq_info(product.redis.url),
        redis=entries,
        commands={
            str(pid): read_proc_file(pid, "cmdline")
            for pid in (product.bot.pid, worker.pid, engine)
        },
        engine=read_proc_file(engine, "environ"),
        secrets=(BOT_TOKEN, APP_TOKEN, SIGNING_SECRET, PASTED_KEY, *passwords),
    )


def health_port_of(process: Process) -> int:
    """Return the port of a process's health endpoint."""
    return int(process.variables["HEALTH_PORT"])


def test_logs_contain_no_secret_and_no_text(observed: ObservedData) -> None:
    """Failed calls, unreadable jobs, a dead engine and lost Redis are logged without their text."""
    for event in ("slack refused", "event not readable", "quarantined", "not acknowledged"):
        assert event in observed.logs
    assert "generation failed" in observed.logs
    for canary in (*observed.secrets, *QUESTION_TEXTS):
        assert canary not in observed.logs


def test_health_and_metrics_contain_no_secret_and_no_text(observed: ObservedData) -> None:
    """Health pages, Prometheus and RQ's tools show only numbers and names."""
    assert "starchat_bot_questions_total" in observed.pages
    assert "starchat_slots_busy" in observed.pages
    assert QUEUE_NAME in observed.info
    for canary in (*observed.secrets, *QUESTION_TEXTS, ADA):
        assert canary not in observed.pages
        assert canary not in observed.info


def test_redis_keys_contain_no_secret_and_no_text(observed: ObservedData) -> None:
    """Keys consist of ids, and no value is a token."""
    assert find_entries(observed.redis, *observed.secrets) == []
    assert find_entries(observed.redis, "secret:aws-key:1")
    for entry in observed.redis:
        assert not any(canary in entry.key for canary in (*observed.secrets, *QUESTION_TEXTS))


def test_redis_text_expires_within_a_day(observed: ObservedData) -> None:
    """After the reply no job holds text, and each cache of text has a TTL of at most 24 hours."""
    found = find_entries(observed.redis, *QUESTION_TEXTS)
    caches = {"thread_cache", "answer_cache"}

    assert {
        entry.key.split(":")[2] for entry in found if not entry.key.endswith(("-broken", "-bare"))
    } == caches
    assert [entry for entry in found if not 0 < entry.ttl <= keys.TEXT_TTL_SECONDS] == []
    assert [entry.key for entry in observed.redis if entry.key.startswith("rq:job:")] != []


def test_command_lines_and_engine_contain_no_secret(observed: ObservedData) -> None:
    """No secret is on a command line or in the engine's environment."""
    for words in observed.commands.values():
        assert not any(secret in word for secret in observed.secrets for word in words)
    names = [line.partition("=")[0] for line in observed.engine]
    assert names
    assert not any(name.startswith(("SLACK_", "REDIS", "STARCHAT_")) for name in names)
    assert not any(secret in line for secret in observed.secrets for line in observed.engine)


def test_deleted_question_is_removed_from_redis(product: Product, observed: ObservedData) -> None:
    """The thread cache, the job and the answer cache drop its text."""
    word = "larkspur-canary"
    ts, _ = product.ask_question(f"@StarChat {word}", GENERAL)
    assert find_keys_with(product, word)
    product.workspace.delete_message(ADA, GENERAL, ts)

    wait_until_gone(product, word)


def test_deleted_message_leaves_waiting_job(product: Product, observed: ObservedData) -> None:
    """A message that a waiting question has read leaves the question's job too."""
    word = "saffron-canary"
    root = product.workspace.post_message(ADA, GENERAL, f"my key is {word}")
    with paused(product.workers[0].pid):
        waiting = product.workspace.post_message(ADA, GENERAL, f"@StarChat {MUTEX}", root)
        poll_until(
            lambda: [key for key in find_keys_with(product, word) if key.startswith("rq:job:")],
            description="the job",
        )
        product.workspace.delete_message(ADA, GENERAL, root)
        wait_until_gone(product, word)

    product.wait_for_answer(GENERAL, root, waiting)
    assert find_keys_with(product, word) == []


def test_forget_clears_channel_and_uninstall_clears_team(
    product: Product, observed: ObservedData
) -> None:
    """`/starchat forget` drops only its channel's texts; uninstalling drops the team's."""
    words = {GENERAL: "marigold-canary", PYTHON: "snapdragon-canary"}
    for channel, word in words.items():
        product.ask_question(f"@StarChat {word}", channel)
        assert find_keys_with(product, word)
    product.workspace.post_message(ADA, GENERAL, "/starchat forget")
    wait_until_gone(product, words[GENERAL])
    assert find_keys_with(product, words[PYTHON])

    product.workspace.send_control("app", with_events=["app_uninstalled"])
    product.workspace.send_control("event", event={"type": "app_uninstalled"})
    product.bot.wait_for_event("team forgotten")
    assert find_keys_with(product, *words.values(), *QUESTION_TEXTS) == []


@contextmanager
def paused(pid: int) -> Iterator[None]:
    """Stop a process with SIGSTOP, and let it continue at the end."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def wait_until_growing(product: Product, channel: str, thread_ts: str) -> None:
    """Wait until a reply in a thread grows."""

    def is_growing(messages: Messages) -> bool:
        return any(reply_metadata(m).get("state") == "growing" for m in messages)

    product.workspace.wait_for_messages(is_growing, channel, thread_ts)


def wait_until_gone(product: Product, word: str) -> None:
    """Wait until Redis holds a word nowhere."""
    poll_until(lambda: not find_keys_with(product, word), description="the word to go", timeout=10)


def find_keys_with(product: Product, *words: str) -> list[str]:
    """Return the names of the keys that hold one of these words now."""
    with product.redis.connect_as() as redis:
        return [entry.key for entry in find_entries(read_all_entries(redis), *words)]
