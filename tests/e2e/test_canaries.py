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

SIGNING: Final = "signing-canary-4711"
WORD: Final = "heliotrope-canary"
"""Stands in everything that is asked here."""
TEXTS: Final = (WORD, MUTEX, ENDLESS, ANSWERS[MUTEX])
PAGES: Final = ("/healthz", "/readyz", "/metrics")
TROUBLE: Final = ("status", "status_after", "html", "truncated", "drop_before", "drop_after")


@dataclass(frozen=True)
class Spilled:
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
        SLACK_SIGNING_SECRET=SIGNING,
    ) as product:
        worker = product.start_worker(HEALTH_PORT=str(free_port()))
        worker.wait_for("model loaded", within=120)
        yield product


@pytest.fixture(scope="module")
def spilled(product: Product) -> Spilled:
    """Let everything go wrong once, and look into all places afterwards."""
    trouble(product)
    poison(product)
    kill(product)
    outage(product)
    product.reply(f"@StarChat {MUTEX}", GENERAL)
    return look(product)


def trouble(product: Product) -> None:
    """Ask while Slack fails in every way, and say what nobody can read."""
    rules = [{"fault": fault, "method": "chat.*", "probability": 0.1} for fault in TROUBLE]
    refused = {"fault": "error", "error": "invalid_blocks", "method": "chat.update", "count": 1}
    product.workspace.faults(refused, *rules, seed=3)
    product.workspace.control("event", event={"type": "message", "text": WORD, "ts": 7})
    product.workspace.post(ADA, GENERAL, f"@StarChat {WORD} first")
    ts = product.workspace.post(ADA, GENERAL, f"@StarChat {WORD} second")
    product.workspace.post(ADA, GENERAL, "@StarChat help")
    product.ended(GENERAL, ts, ts)
    product.workspace.faults()


def poison(product: Product) -> None:
    """Put onto the queue what has text in every place that an error could quote."""
    broken = json.dumps({"version": WORD, WORD: [WORD], "turns": [{"text": WORD}]})
    data = {
        "broken": zlib.compress(json.dumps([WORD, None, [broken], {WORD: WORD}]).encode()),
        "bare": WORD.encode(),
    }
    with product.redis.client() as redis:
        for name, packed in data.items():
            job = f"T0FAKE0001-{GENERAL}-{name}"
            fields = {"status": "queued", "data": packed, "created_at": WORD, "webhooks": WORD}
            redis.hset(f"rq:job:{job}", mapping=cast("Any", fields))
            redis.rpush(f"rq:queue:{QUEUE}", job)
    product.workers[0].wait_for("job unreadable, set aside")


def kill(product: Product) -> None:
    """Kill the engine while a reply grows."""
    ts = product.workspace.post(ADA, PYTHON, f"@StarChat {ENDLESS}")

    def grows(messages: Messages) -> bool:
        return any(payload(m).get("state") == "growing" for m in messages)

    product.workspace.wait_for(grows, PYTHON, ts)
    kill_engine(product.workers[0].pid)
    product.ended(PYTHON, ts, ts)


def outage(product: Product) -> None:
    """Ask while Redis is away."""
    product.redis.kill()
    ts = product.workspace.post(ADA, PYTHON, f"@StarChat {WORD} third")
    product.bot.wait_for("not acknowledged")
    product.redis.restart()
    product.workspace.redeliver(ts)
    product.ended(PYTHON, ts, ts)


def look(product: Product) -> Spilled:
    """Take down what can be seen now."""
    worker = product.workers[0]
    engine = engine_of(worker.pid)
    ports = [port(product.bot.pid), port(worker.pid)]
    urls = [product.redis.url_of(person) for person in ("bot", "worker")]
    passwords = [re.findall(r"//\w+:(.+)@", url)[0] for url in urls]
    with product.redis.client() as redis:
        # A reply is final a moment before its job's end is written down.
        until(lambda: not (redis.zcard(keys.PENDING) or redis.zcard(STARTED)), what="all ends")
        found = kept(redis)
    return Spilled(
        logs=product.logs,
        pages="\n".join(page(number, path) for number in ports for path in PAGES),
        info=rq_info(product.redis.url),
        redis=found,
        commands={str(pid): proc(pid, "cmdline") for pid in (product.bot.pid, worker.pid, engine)},
        engine=proc(engine, "environ"),
        secrets=(BOT_TOKEN, APP_TOKEN, SIGNING, *passwords),
    )


def port(pid: int) -> int:
    """Return where a process shows its health."""
    [found] = [line for line in proc(pid, "environ") if line.startswith("HEALTH_PORT=")]
    return int(found.partition("=")[2])


def test_no_secret_and_no_text_is_logged(spilled: Spilled) -> None:
    """Failed calls, unreadable jobs, a dead engine, Redis away: all told without a word of it."""
    for told in ("slack refused", "event not readable", "set aside", "not acknowledged"):
        assert told in spilled.logs
    assert "generation failed" in spilled.logs
    for canary in (*spilled.secrets, *TEXTS):
        assert canary not in spilled.logs


def test_health_metrics_and_tools_show_no_secret_and_no_text(spilled: Spilled) -> None:
    """What a supervisor, Prometheus and RQ's own tools see are numbers and names of ours."""
    assert "starchat_bot_turns_total" in spilled.pages
    assert "starchat_slots_busy" in spilled.pages
    assert QUEUE in spilled.info
    for canary in (*spilled.secrets, *TEXTS, ADA):
        assert canary not in spilled.pages
        assert canary not in spilled.info


def test_redis_holds_no_secret_and_no_text_in_names(spilled: Spilled) -> None:
    """A key is named by ids; no value is a token."""
    assert holding(spilled.redis, *spilled.secrets) == []
    for one in spilled.redis:
        assert not any(canary in one.key for canary in (*spilled.secrets, *TEXTS))


def test_what_holds_text_leaves_within_a_day(spilled: Spilled) -> None:
    """After the answer each key with a text in it has at most 24 hours to live."""
    found = holding(spilled.redis, *TEXTS)

    assert {one.key.split(":")[1] for one in found} >= {"T0FAKE0001", "job"}
    assert [one for one in found if not 0 < one.ttl <= keys.TEXT_TTL] == []


def test_no_secret_is_on_a_command_line_or_with_the_engine(spilled: Spilled) -> None:
    """Whoever lists processes learns nothing, and the engine is told nothing."""
    for words in spilled.commands.values():
        assert not any(secret in word for secret in spilled.secrets for word in words)
    names = [line.partition("=")[0] for line in spilled.engine]
    assert names
    assert not any(name.startswith(("SLACK_", "REDIS", "STARCHAT_")) for name in names)
    assert not any(secret in line for secret in spilled.secrets for line in spilled.engine)


def test_a_deleted_question_leaves_redis_at_once(product: Product, spilled: Spilled) -> None:
    """Neither the copy of the thread nor the job nor the memory keeps its words."""
    word = "larkspur-canary"
    ts, _ = product.reply(f"@StarChat {word}", GENERAL)
    assert texts(product, word)
    product.workspace.delete(ADA, GENERAL, ts)

    until(lambda: not texts(product, word), what="the words to go", within=10)


def test_forget_empties_a_channel_and_uninstalling_a_team(
    product: Product, spilled: Spilled
) -> None:
    """`/starchat forget` drops the texts of its channel alone; without the app nothing stays."""
    words = {GENERAL: "marigold-canary", PYTHON: "snapdragon-canary"}
    for channel, word in words.items():
        product.reply(f"@StarChat {word}", channel)
        assert texts(product, word)
    product.workspace.post(ADA, GENERAL, "/starchat forget")

    until(lambda: not texts(product, words[GENERAL]), what="the channel to be empty", within=10)
    assert texts(product, words[PYTHON])

    product.workspace.control("app", with_events=["app_uninstalled"])
    product.workspace.control("event", event={"type": "app_uninstalled"})
    product.bot.wait_for("team forgotten")
    assert texts(product, *words.values(), *TEXTS) == []


def texts(product: Product, *words: str) -> list[str]:
    """Return the names of the keys that hold one of these words now."""
    with product.redis.client() as redis:
        return [one.key for one in holding(kept(redis), *words)]
