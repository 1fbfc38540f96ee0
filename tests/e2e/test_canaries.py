"""Secrets and texts stay where they belong while everything goes wrong that can."""

import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

import pytest

from contract import keys
from contract.job import QUEUE
from testing.checkpoints import taught_checkpoint
from testing.memorizing_model import ANSWERS, ENDLESS, MUTEX
from testing.polling import until
from testing.ports import free_port
from testing.process_tree import engine as engine_of
from testing.process_tree import kill_engine
from testing.product import Product
from testing.worker_harness import payload
from testing.workspace import ADA, APP_TOKEN, BOT_TOKEN, GENERAL, PYTHON, Messages
from tests.e2e.leak_scanner import Kept, holding, kept, page, proc, rq_info
from worker.jobs.leases import STARTED

SIGNING_SECRET: Final = "signing-canary-4711"
CANARY_WORD: Final = "heliotrope-canary"
"""Stands in everything that is asked here."""
QUESTION_TEXTS: Final = (CANARY_WORD, MUTEX, ENDLESS, ANSWERS[MUTEX])
HEALTH_PATHS: Final = ("/healthz", "/readyz", "/metrics")
SLACK_FAULTS: Final = ("status", "status_after", "html", "truncated", "drop_before", "drop_after")


@dataclass(frozen=True)
class ObservedData:
    """All that could be seen from outside when the trouble was over."""

    logs: str
    pages: str
    info: str
    redis: list[Kept]
    commands: dict[str, list[str]]
    engine: list[str]
    secrets: tuple[str, ...]


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    """A product that logs all it can and shows its health."""
    with Product(
        str(taught_checkpoint()),
        worker=False,
        HEALTH_PORT=str(free_port()),
        STARCHAT_LOG_LEVEL="DEBUG",
        SLACK_SIGNING_SECRET=SIGNING_SECRET,
    ) as product:
        worker = product.start_worker(HEALTH_PORT=str(free_port()))
        worker.wait_for("model loaded", within=120)
        yield product


@pytest.fixture(scope="module")
def observed(product: Product) -> ObservedData:
    """Let everything go wrong once, and look into all places afterwards."""
    inject_slack_faults(product)
    enqueue_broken_jobs(product)
    kill_engine_while_generating(product)
    interrupt_redis(product)
    product.reply(f"@StarChat {MUTEX}", GENERAL)
    return collect_observed(product)


def inject_slack_faults(product: Product) -> None:
    """Ask while Slack fails in every way, and say what nobody can read."""
    rules = [{"fault": fault, "method": "chat.*", "probability": 0.1} for fault in SLACK_FAULTS]
    refused = {"fault": "error", "error": "invalid_blocks", "method": "chat.update", "count": 1}
    product.workspace.faults(refused, *rules, seed=3)
    product.workspace.control("event", event={"type": "message", "text": CANARY_WORD, "ts": 7})
    product.workspace.post(ADA, GENERAL, f"@StarChat {CANARY_WORD} first")
    ts = product.workspace.post(ADA, GENERAL, f"@StarChat {CANARY_WORD} second")
    product.workspace.post(ADA, GENERAL, "@StarChat help")
    product.ended(GENERAL, ts, ts)
    product.workspace.faults()


def enqueue_broken_jobs(product: Product) -> None:
    """Put onto the queue what has text in every place that an error could quote."""
    broken = json.dumps(
        {"version": CANARY_WORD, CANARY_WORD: [CANARY_WORD], "turns": [{"text": CANARY_WORD}]}
    )
    data = {
        "broken": zlib.compress(
            json.dumps([CANARY_WORD, None, [broken], {CANARY_WORD: CANARY_WORD}]).encode()
        ),
        "bare": CANARY_WORD.encode(),
    }
    with product.redis.client() as redis:
        for name, packed in data.items():
            job = f"T0FAKE0001-{GENERAL}-{name}"
            fields = {
                "status": "queued",
                "data": packed,
                "created_at": CANARY_WORD,
                "webhooks": CANARY_WORD,
            }
            redis.hset(f"rq:job:{job}", mapping=cast("Any", fields))
            redis.rpush(f"rq:queue:{QUEUE}", job)
    product.workers[0].wait_for("job unreadable, set aside")


def kill_engine_while_generating(product: Product) -> None:
    """Kill the engine while a reply grows."""
    ts = product.workspace.post(ADA, PYTHON, f"@StarChat {ENDLESS}")

    def grows(messages: Messages) -> bool:
        return any(payload(m).get("state") == "growing" for m in messages)

    product.workspace.wait_for(grows, PYTHON, ts)
    kill_engine(product.workers[0].pid)
    product.ended(PYTHON, ts, ts)


def interrupt_redis(product: Product) -> None:
    """Ask while Redis is away."""
    product.redis.kill()
    ts = product.workspace.post(ADA, PYTHON, f"@StarChat {CANARY_WORD} third")
    product.bot.wait_for("not acknowledged")
    product.redis.restart()
    product.workspace.redeliver(ts)
    product.ended(PYTHON, ts, ts)


def collect_observed(product: Product) -> ObservedData:
    """Take down what can be seen now."""
    worker = product.workers[0]
    engine = engine_of(worker.pid)
    ports = [health_port_of(product.bot.pid), health_port_of(worker.pid)]
    urls = [product.redis.url_of(person) for person in ("bot", "worker")]
    passwords = [re.findall(r"//\w+:(.+)@", url)[0] for url in urls]
    with product.redis.client() as redis:
        # A reply is final a moment before its job's end is written down.
        until(lambda: not (redis.zcard(keys.PENDING) or redis.zcard(STARTED)), what="all ends")
        entries = kept(redis)
    return ObservedData(
        logs=product.logs,
        pages="\n".join(page(number, path) for number in ports for path in HEALTH_PATHS),
        info=rq_info(product.redis.url),
        redis=entries,
        commands={str(pid): proc(pid, "cmdline") for pid in (product.bot.pid, worker.pid, engine)},
        engine=proc(engine, "environ"),
        secrets=(BOT_TOKEN, APP_TOKEN, SIGNING_SECRET, *passwords),
    )


def health_port_of(pid: int) -> int:
    """Return where a process shows its health."""
    [found] = [line for line in proc(pid, "environ") if line.startswith("HEALTH_PORT=")]
    return int(found.partition("=")[2])


def test_logs_contain_no_secret_and_no_text(observed: ObservedData) -> None:
    """Failed calls, unreadable jobs, a dead engine, Redis away: all told without a word of it."""
    for told in ("slack refused", "event not readable", "set aside", "not acknowledged"):
        assert told in observed.logs
    assert "generation failed" in observed.logs
    for canary in (*observed.secrets, *QUESTION_TEXTS):
        assert canary not in observed.logs


def test_health_and_metrics_contain_no_secret_and_no_text(observed: ObservedData) -> None:
    """What a supervisor, Prometheus and RQ's own tools see are numbers and names of ours."""
    assert "starchat_bot_turns_total" in observed.pages
    assert "starchat_slots_busy" in observed.pages
    assert QUEUE in observed.info
    for canary in (*observed.secrets, *QUESTION_TEXTS, ADA):
        assert canary not in observed.pages
        assert canary not in observed.info


def test_redis_keys_contain_no_secret_and_no_text(observed: ObservedData) -> None:
    """A key is named by ids; no value is a token."""
    assert holding(observed.redis, *observed.secrets) == []
    for one in observed.redis:
        assert not any(canary in one.key for canary in (*observed.secrets, *QUESTION_TEXTS))


def test_redis_text_expires_within_a_day(observed: ObservedData) -> None:
    """After the answer each key with a text in it has at most 24 hours to live."""
    found = holding(observed.redis, *QUESTION_TEXTS)

    assert {one.key.split(":")[1] for one in found} >= {"T0FAKE0001", "job"}
    assert [one for one in found if not 0 < one.ttl <= keys.TEXT_TTL] == []


def test_command_lines_and_engine_contain_no_secret(observed: ObservedData) -> None:
    """Whoever lists processes learns nothing, and the engine is told nothing."""
    for words in observed.commands.values():
        assert not any(secret in word for secret in observed.secrets for word in words)
    names = [line.partition("=")[0] for line in observed.engine]
    assert names
    assert not any(name.startswith(("SLACK_", "REDIS", "STARCHAT_")) for name in names)
    assert not any(secret in line for secret in observed.secrets for line in observed.engine)


def test_deleted_question_is_removed_from_redis(product: Product, observed: ObservedData) -> None:
    """Neither the copy of the thread nor the job nor the memory keeps its words."""
    word = "larkspur-canary"
    ts, _ = product.reply(f"@StarChat {word}", GENERAL)
    assert find_keys_with(product, word)
    product.workspace.delete(ADA, GENERAL, ts)

    until(lambda: not find_keys_with(product, word), what="the words to go", within=10)


def test_forget_clears_channel_and_uninstall_clears_team(
    product: Product, observed: ObservedData
) -> None:
    """`/starchat forget` drops the texts of its channel alone; without the app nothing stays."""
    words = {GENERAL: "marigold-canary", PYTHON: "snapdragon-canary"}
    for channel, word in words.items():
        product.reply(f"@StarChat {word}", channel)
        assert find_keys_with(product, word)
    product.workspace.post(ADA, GENERAL, "/starchat forget")

    until(
        lambda: not find_keys_with(product, words[GENERAL]),
        what="the channel to be empty",
        within=10,
    )
    assert find_keys_with(product, words[PYTHON])

    product.workspace.control("app", with_events=["app_uninstalled"])
    product.workspace.control("event", event={"type": "app_uninstalled"})
    product.bot.wait_for("team forgotten")
    assert find_keys_with(product, *words.values(), *QUESTION_TEXTS) == []


def find_keys_with(product: Product, *words: str) -> list[str]:
    """Return the names of the keys that hold one of these words now."""
    with product.redis.client() as redis:
        return [one.key for one in holding(kept(redis), *words)]
