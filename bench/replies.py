"""Everything around the model: acknowledgement, first sign, overhead, calls per reply, memory."""

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from chaos.scenario import percentile
from testing.checkpoints import taught_checkpoint
from testing.memorizing_model import GREET
from testing.product import Product
from testing.worker_harness import payload
from testing.workspace import ADA, GENERAL, PYTHON, STARCHAT, Workspace

QUESTION: Final = f"@StarChat {GREET}"
MEBIBYTE: Final = 1024
SETTLING: Final = 3.0
"""Seconds after a burst in which nobody asks the workspace anything."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One run's figures; times in milliseconds, memory in MiB, all measured at fakeslack's door."""

    ack_p50: float
    ack_p99: float
    sign_p50: float
    sign_p95: float
    reply_p50: float
    reply_p95: float
    calls_per_reply: float
    bot_memory: float


MEANING: Final = {
    "ack_p50": ("mention → acknowledgement, burst, p50", "ms", None),
    "ack_p99": ("mention → acknowledgement, burst, p99", "ms", 250),
    "sign_p50": ("mention → first visible sign, p50", "ms", None),
    "sign_p95": ("mention → first visible sign, p95", "ms", 1000),
    "reply_p50": ("mention → finished reply of a model that costs almost nothing, p50", "ms", 150),
    "reply_p95": ("mention → finished reply of a model that costs almost nothing, p95", "ms", None),
    "calls_per_reply": ("Web API calls per reply, bot and worker together", "", 10),
    "bot_memory": ("memory of the bot after the burst (VmRSS)", "MiB", 150),
}


def run(burst: int, single: int) -> Figures:
    """Start everything, ask `single` times one by one, then `burst` times at once."""
    with product() as running:
        workspace = running.workspace
        first = workspace.post(ADA, GENERAL, QUESTION)
        finished(workspace, [first], GENERAL)
        channels = [_channel(workspace, number) for number in range(single)]
        counted = len(workspace.calls())
        asked = []
        for number in range(single):
            # Slack lets a channel have one message a second: more would measure that budget.
            channel = channels[number % len(channels)]
            ts = workspace.post(ADA, channel, QUESTION)
            finished(workspace, [ts], channel)
            asked.append(ts)
        calls = workspace.calls(since=counted)
        signs, replies = _times(workspace, asked, calls)
        acks = _acks(workspace, _burst(workspace, burst))
        return Figures(
            ack_p50=percentile(acks, 50),
            ack_p99=percentile(acks, 99),
            sign_p50=percentile(signs, 50),
            sign_p95=percentile(signs, 95),
            reply_p50=percentile(replies, 50),
            reply_p95=percentile(replies, 95),
            calls_per_reply=len(calls) / single,
            bot_memory=_resident(running.bot.pid),
        )


def table(runs: Sequence[Figures]) -> str:
    """Return the medians of all runs as a Markdown table."""
    lines = ["| figure | median | lowest to highest | aim |", "|---|---|---|---|"]
    for field in fields(Figures):
        meaning, unit, aim = MEANING[field.name]
        values = [asdict(figures)[field.name] for figures in runs]
        middle = f"{statistics.median(values):.1f} {unit}".strip()
        spread = f"{min(values):.1f} to {max(values):.1f}"
        lines.append(f"| {meaning} | {middle} | {spread} | {f'≤ {aim} {unit}' if aim else ''} |")
    return "\n".join(lines)


def product() -> Product:
    """Run the whole product on a checkpoint of a few thousand weights."""
    return Product(
        str(taught_checkpoint()),
        STARCHAT_MAX_PENDING_PER_USER="10000",
        STARCHAT_MAX_RUNNING_PER_USER="8",
    )


def finished(workspace: Workspace, asked: Sequence[str], channel: str) -> None:
    """Wait until each of these mentions has its final reply."""
    for ts in asked:
        workspace.wait_for(lambda thread: any(map(_final, thread)), channel, ts)


def _channel(workspace: Workspace, number: int) -> str:
    answer = workspace.control("create", name=f"bench-{number}", members=[ADA, STARCHAT])
    return str(answer["channel"])


def _burst(workspace: Workspace, count: int) -> list[str]:
    with ThreadPoolExecutor(count) as people:
        return list(people.map(lambda _: workspace.post(ADA, PYTHON, QUESTION), range(count)))


def _acks(workspace: Workspace, asked: Sequence[str]) -> list[float]:
    def all_acknowledged() -> list[dict[str, Any]] | None:
        sent = [e for e in workspace.envelopes() if e["ts"] in asked]
        return sent if len(sent) >= len(asked) and all(e["acked_at"] for e in sent) else None

    # No look before: each one costs the workspace time in which it would deliver.
    time.sleep(SETTLING)
    wanted = workspace.wait_until(all_acknowledged)
    return [1000 * (e["acked_at"] - e["sent_at"]) for e in wanted]


def _times(
    workspace: Workspace, asked: Sequence[str], calls: Sequence[dict[str, Any]]
) -> tuple[list[float], list[float]]:
    """Return the milliseconds from each mention to its placeholder and to its final."""
    began: dict[str, float] = {}
    for envelope in workspace.envelopes():
        if envelope["ts"] in asked:
            began.setdefault(envelope["ts"], envelope["sent_at"])
    signs: dict[str, float] = {}
    finals: dict[str, float] = {}
    for call in calls:
        said = payload(call["args"])
        if not said:
            continue
        question = said["question"]
        moment = (call["at"] - began[question]) * 1000
        if call["method"] == "chat.postMessage":
            signs.setdefault(question, moment)
        if said["state"] == "final":
            finals.setdefault(question, moment + call["seconds"] * 1000)
    counted = Counter(len(found) for found in (began, signs, finals))
    assert counted == {len(asked): 3}, counted  # noqa: S101
    return list(signs.values()), list(finals.values())


def _final(message: dict[str, Any]) -> bool:
    return payload(message).get("state") == "final"


def _resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / MEBIBYTE
