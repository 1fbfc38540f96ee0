"""A sample of the bad inputs goes through the real processes, and each ends once, as it must."""

import json
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any, Final, NamedTuple, cast

import pytest

from contract.job import QUEUE
from testing.checkpoints import taught_checkpoint
from testing.memorizing_model import MUTEX
from testing.polling import until
from testing.product import Product
from testing.worker_harness import END, payload
from testing.workspace import ADA, GENERAL, LIN, SAM, STARCHAT, Json
from tests.adversarial import everything
from tests.adversarial.case import MENTION, Case, Door, End, Entry, Talk
from worker.jobs.rq_worker import ASIDE

PEOPLE: Final = (ADA, LIN, SAM)
CHANNELS: Final = 8
"""Slack takes a message a second in each."""
BYTES: Final = 300
"""Longer texts are too long for the small model."""
TALKS: Final = ("two", "forged-turns", "controls", "pings")
EVENTS: Final = ("unknown", "other-digits", "injected-thread", "revoked-odd", "huddle", "deleted")
ENTRIES: Final = ("function-os.system", "pickle-2", "bomb", "deep-json", "version-2", "not-utf-8")

pytestmark = pytest.mark.repeats


class Asked(NamedTuple):
    """A case as it was put into the workspace."""

    case: Case
    channel: str
    thread: str
    ts: str


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    """The whole product, with a model that knows a few answers, and everything logged."""
    with Product(
        str(taught_checkpoint()),
        STARCHAT_LOG_LEVEL="DEBUG",
        STARCHAT_SLOTS="8",
        STARCHAT_MAX_PENDING_PER_USER="100",
        STARCHAT_MAX_RUNNING_PER_USER="16",
    ) as product:
        yield product


def sample() -> list[Case]:
    """Return two short texts of each category and end, and what is named above."""
    found: dict[tuple[str, End], list[Case]] = {}
    for case in everything():
        if case.door is Door.TEXT and len(str(case.content).encode("utf-8", "replace")) <= BYTES:
            found.setdefault((case.category, case.end), []).append(case)
    return [case for cases in found.values() for case in (cases[0], cases[len(cases) // 2])]


def named(category: str, names: Sequence[str]) -> list[Case]:
    """Return the cases of a category that have these names."""
    known = {case.id: case for case in everything()}
    return [known[f"{category}/{name}"] for name in names]


@pytest.mark.timeout(300)
def test_a_sample_of_bad_inputs_ends_as_it_must_exactly_once(product: Product) -> None:
    """Delivered twice, among entries that nobody can read: one end each, and nothing else."""
    entries = named("entry", ENTRIES)
    for case in entries:
        plant(product, case)
    members = [*PEOPLE, STARCHAT]
    made = [
        product.workspace.control("create", name=f"room{n}", members=members)["channel"]
        for n in range(CHANNELS)
    ]
    asked = [
        ask(product, case, channel, user)
        for case, channel, user in zip(
            [*sample(), *named("thread", TALKS)], cycle(made), cycle(PEOPLE), strict=False
        )
    ]
    for case in named("envelope", EVENTS):
        assert isinstance(case.content, dict)
        product.workspace.control("event", event=case.content["event"])
    for found in asked:
        product.workspace.redeliver(found.ts)
    visible = [found for found in asked if found.case.end is not End.IGNORE]
    product.workspace.wait_until(lambda: all(over(product, found) for found in visible) or None)
    product.reply(f"@StarChat {MUTEX}", GENERAL)

    wrong = "\n".join(filter(None, (failure(product, found) for found in asked)))
    assert not wrong, wrong
    assert len(asked) + len(EVENTS) + len(ENTRIES) >= 40
    with product.redis.client() as redis:
        aside = until(lambda: redis.zcard(ASIDE) == len(entries) or None, what="all set aside")
    assert aside
    assert [found.case.id for found in asked if told(found.case, product.logs)] == []
    assert "Traceback" not in product.logs
    assert '"level": "error"' not in errors(product)


def plant(product: Product, case: Case) -> None:
    """Put an entry on the queue, past the bot."""
    entry = case.content
    assert isinstance(entry, Entry)
    with product.redis.client() as redis:
        redis.hset(f"rq:job:{entry.job!s}", mapping=cast("Any", dict(entry.fields)))
        redis.rpush(f"rq:queue:{QUEUE}", entry.job)


def ask(product: Product, case: Case, channel: str, user: str) -> Asked:
    """Say in a channel what a case holds."""
    say = product.workspace.raw_post
    if isinstance(case.content, Talk):
        first, *others = (str(message["text"]) for message in case.content.messages)
        root = say(channel, first, user=user)
        for text in others:
            say(channel, text, user=user, thread_ts=root)
        asking = str(case.content.asking["text"])
        return Asked(case, channel, root, say(channel, asking, user=user, thread_ts=root))
    ts = say(channel, str(case.content), user=user)
    return Asked(case, channel, ts, ts)


def ours(product: Product, found: Asked) -> list[Json]:
    """Return what the bot has said to a case."""
    return product.workspace.replies(found.channel, found.thread)


def over(product: Product, found: Asked) -> bool:
    """Say whether what stands there for a case changes no more."""
    shown = ours(product, found)
    return bool(shown) and all(payload(m).get("state", "final") in END for m in shown)


def failure(product: Product, found: Asked) -> str:
    """Return what is wrong with the end of a case; nothing where all is well."""
    shown = ours(product, found)
    end = End.IGNORE
    if shown:
        # A model of a few thousand weights may answer with nothing: that is an answer too.
        final = any(payload(m).get("state") == "final" for m in shown)
        end = End.ANSWER if final else End.REFUSE
    effects = [effect for m in shown for effect in (*m.get("pings", ()), *m.get("unfurls", ()))]
    if end is found.case.end and len(shown) <= 1 and not effects:
        return ""
    return f"{found.case.id}: {end}, not {found.case.end}; {len(shown)} messages; {effects}"


def told(case: Case, logs: str) -> bool:
    """Say whether the logs tell what stands in a case."""
    if isinstance(case.content, Talk):
        return str(case.content.asking["text"])[len(MENTION) + 1 :] in logs
    said = str(case.content).replace(MENTION, "").strip()[:30]
    return len(said) > 8 and json.dumps(said)[1:-1] in logs


def errors(product: Product) -> str:
    """Return what went wrong by the logs, but for the entries that had to be set aside."""
    lines = product.logs.splitlines()
    return "\n".join(line for line in lines if "set aside" not in line)
