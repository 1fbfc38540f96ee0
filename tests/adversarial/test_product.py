"""A sample of the adversarial inputs through the real processes: each ends once, as expected."""

import json
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any, Final, NamedTuple, cast

import pytest

from contract.job import QUEUE_NAME
from testing.checkpoints import memorizing_checkpoint
from testing.memorizing_model import MUTEX
from testing.polling import poll_until
from testing.product import Product
from testing.worker_harness import END_STATES, reply_metadata
from testing.workspace import ADA, GENERAL, LIN, SAM, STARCHAT, Json
from tests.adversarial import build_all_cases
from tests.adversarial.case import MENTION, Case, CaseOutcome, EntryPoint, QueueEntry, ThreadInput
from worker.jobs.rq_worker import QUARANTINE

USERS: Final = (ADA, LIN, SAM)
NUM_CHANNELS: Final = 8
"""Number of channels; Slack accepts one message a second in each."""
MAX_TEXT_BYTES: Final = 300
"""Maximum bytes of a text; longer ones exceed the small model's window."""
THREAD_CASES: Final = ("two", "forged-turns", "controls", "pings")
EVENT_CASES: Final = (
    "unknown",
    "other-digits",
    "injected-thread",
    "revoked-odd",
    "huddle",
    "deleted",
)
ENTRY_CASES: Final = (
    "function-os.system",
    "pickle-2",
    "bomb",
    "deep-json",
    "version-2",
    "not-utf-8",
)

pytestmark = pytest.mark.repeats


class AskedCase(NamedTuple):
    """A case that was posted in the workspace."""

    case: Case
    channel: str
    thread: str
    ts: str


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    """The whole product with a memorizing model and debug logs."""
    with Product(
        str(memorizing_checkpoint()),
        forked=True,
        STARCHAT_LOG_LEVEL="DEBUG",
        STARCHAT_SLOTS="8",
        STARCHAT_MAX_PENDING_PER_USER="100",
        STARCHAT_MAX_RUNNING_PER_USER="16",
    ) as product:
        yield product


def sample_cases() -> list[Case]:
    """Return two short texts of each category and outcome."""
    found: dict[tuple[str, CaseOutcome], list[Case]] = {}
    for case in build_all_cases():
        if (
            case.entry_point is EntryPoint.TEXT
            and len(str(case.content).encode("utf-8", "replace")) <= MAX_TEXT_BYTES
        ):
            found.setdefault((case.category, case.outcome), []).append(case)
    return [case for cases in found.values() for case in (cases[0], cases[len(cases) // 2])]


def select_cases(category: str, names: Sequence[str]) -> list[Case]:
    """Return the cases of a category with these names."""
    cases = {case.id: case for case in build_all_cases()}
    return [cases[f"{category}/{name}"] for name in names]


def test_sampled_adversarial_inputs_end_once_in_real_product(product: Product) -> None:
    """Every input is delivered twice, among unreadable queue entries, and has one outcome."""
    entries = select_cases("entry", ENTRY_CASES)
    for case in entries:
        push_entry(product, case)
    members = [*USERS, STARCHAT]
    channels = [
        product.workspace.send_control("create", name=f"adversarial-{n}", members=members)[
            "channel"
        ]
        for n in range(NUM_CHANNELS)
    ]
    asked = [
        post_case(product, case, channel, user)
        for case, channel, user in zip(
            [*sample_cases(), *select_cases("thread", THREAD_CASES)],
            cycle(channels),
            cycle(USERS),
            strict=False,
        )
    ]
    for case in select_cases("envelope", EVENT_CASES):
        assert isinstance(case.content, dict)
        product.workspace.send_control("event", event=case.content["event"])
    for found in asked:
        product.workspace.redeliver_events(found.ts)
    wait_for_ends(
        product, [found for found in asked if found.case.outcome is not CaseOutcome.IGNORE]
    )
    product.ask_question(f"@StarChat {MUTEX}", GENERAL)

    report = "\n".join(filter(None, (describe_failure(product, found) for found in asked)))
    assert not report, report
    assert len(asked) + len(EVENT_CASES) + len(ENTRY_CASES) >= 40
    with product.redis.connect_as() as redis:
        quarantined = poll_until(
            lambda: redis.zcard(QUARANTINE) == len(entries) or None,
            description="all entries to be quarantined",
        )
    assert quarantined
    assert [found.case.id for found in asked if is_logged(found.case, product.all_logs)] == []
    assert "Traceback" not in product.all_logs
    assert '"level": "error"' not in drop_expected_errors(product)


def push_entry(product: Product, case: Case) -> None:
    """Push an entry onto the queue, bypassing the bot."""
    entry = case.content
    assert isinstance(entry, QueueEntry)
    with product.redis.connect_as() as redis:
        redis.hset(f"rq:job:{entry.job_id!s}", mapping=cast("Any", dict(entry.fields)))
        redis.rpush(f"rq:queue:{QUEUE_NAME}", entry.job_id)


def post_case(product: Product, case: Case, channel: str, user: str) -> AskedCase:
    """Post a case's content in a channel."""
    post = product.workspace.post_raw
    if isinstance(case.content, ThreadInput):
        first, *others = (str(message["text"]) for message in case.content.messages)
        root = post(channel, first, user=user)
        for text in others:
            post(channel, text, user=user, thread_ts=root)
        question = str(case.content.question["text"])
        return AskedCase(case, channel, root, post(channel, question, user=user, thread_ts=root))
    ts = post(channel, str(case.content), user=user)
    return AskedCase(case, channel, ts, ts)


def list_replies(product: Product, found: AskedCase) -> list[Json]:
    """Return the bot's replies to a case."""
    return product.workspace.bot_replies(found.channel, found.thread)


def wait_for_ends(product: Product, pending: list[AskedCase]) -> None:
    """Wait until the replies to all cases are final; a final reply is read once."""

    def have_ended() -> bool:
        while pending and is_finished(product, pending[-1]):
            pending.pop()
        return not pending

    product.workspace.wait_until(have_ended)


def is_finished(product: Product, found: AskedCase) -> bool:
    """Whether the replies to a case are final."""
    shown = list_replies(product, found)
    return bool(shown) and all(reply_metadata(m).get("state", "final") in END_STATES for m in shown)


def describe_failure(product: Product, found: AskedCase) -> str:
    """Return the deviation of a case from its expected outcome, or an empty string."""
    shown = list_replies(product, found)
    outcome = CaseOutcome.IGNORE
    if shown:
        # A model of a few thousand weights may generate an empty reply, which counts as an answer.
        final = any(reply_metadata(m).get("state") == "final" for m in shown)
        outcome = CaseOutcome.ANSWER if final else CaseOutcome.REFUSE
    effects = [effect for m in shown for effect in (*m.get("pings", ()), *m.get("unfurls", ()))]
    if outcome is found.case.outcome and len(shown) <= 1 and not effects:
        return ""
    return f"{found.case.id}: {outcome}, not {found.case.outcome}; {len(shown)} messages; {effects}"


def is_logged(case: Case, logs: str) -> bool:
    """Whether the logs contain a case's text."""
    if isinstance(case.content, ThreadInput):
        return str(case.content.question["text"])[len(MENTION) + 1 :] in logs
    words = str(case.content).replace(MENTION, "").strip()[:30]
    return len(words) > 8 and json.dumps(words)[1:-1] in logs


def drop_expected_errors(product: Product) -> str:
    """Return the logs without the lines about quarantined entries."""
    lines = product.all_logs.splitlines()
    return "\n".join(line for line in lines if "quarantined" not in line)
