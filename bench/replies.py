"""Latency around the model: acknowledgement, placeholder, reply; calls per reply; memory."""

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from chaos.scenario import percentile
from testing.checkpoints import memorizing_checkpoint
from testing.memorizing_model import GREET
from testing.product import Product
from testing.worker_harness import reply_metadata
from testing.workspace import ADA, GENERAL, PYTHON, STARCHAT, Workspace

QUESTION: Final = f"@StarChat {GREET}"
KIB_PER_MIB: Final = 1024
SETTLE_SECONDS: Final = 3.0
"""Seconds after a burst without requests to the workspace."""


@dataclass(frozen=True, slots=True)
class ReplyFigures:
    """One run's figures: times in milliseconds, memory in MiB, measured in fakeslack."""

    ack_p50_ms: float
    ack_p99_ms: float
    placeholder_p50_ms: float
    placeholder_p95_ms: float
    reply_p50_ms: float
    reply_p95_ms: float
    calls_per_reply: float
    bot_memory_mib: float


FIGURE_LABELS: Final = {
    "ack_p50_ms": ("mention → acknowledgement, burst, p50", "ms", None),
    "ack_p99_ms": ("mention → acknowledgement, burst, p99", "ms", 250),
    "placeholder_p50_ms": ("mention → placeholder, p50", "ms", None),
    "placeholder_p95_ms": ("mention → placeholder, p95", "ms", 1000),
    "reply_p50_ms": ("mention → final reply of a tiny model, p50", "ms", 150),
    "reply_p95_ms": ("mention → final reply of a tiny model, p95", "ms", None),
    "calls_per_reply": ("Web API calls per reply, bot and worker together", "", 10),
    "bot_memory_mib": ("memory of the bot after the burst (VmRSS)", "MiB", 150),
}


def main(runs: int, burst: int, sequential: int) -> str:
    """Measure, and return the table."""
    return format_figures([measure_replies(burst, sequential) for _ in range(runs)])


def measure_replies(burst: int, sequential: int) -> ReplyFigures:
    """Start the product, ask `sequential` questions one by one, then `burst` at once."""
    with start_product() as product:
        workspace = product.workspace
        first = workspace.post_message(ADA, GENERAL, QUESTION)
        wait_for_final_replies(workspace, [first], GENERAL)
        channels = [_create_channel(workspace, number) for number in range(sequential)]
        calls_before = len(workspace.api_calls())
        asked = []
        for number in range(sequential):
            # Slack allows one message a second in a channel; more would measure its rate limit.
            channel = channels[number % len(channels)]
            ts = workspace.post_message(ADA, channel, QUESTION)
            wait_for_final_replies(workspace, [ts], channel)
            asked.append(ts)
        calls = workspace.api_calls(since=calls_before)
        placeholders, replies = _measure_reply_times(workspace, asked, calls)
        acks = _measure_ack_times(workspace, _post_burst(workspace, burst))
        return ReplyFigures(
            ack_p50_ms=percentile(acks, 50),
            ack_p99_ms=percentile(acks, 99),
            placeholder_p50_ms=percentile(placeholders, 50),
            placeholder_p95_ms=percentile(placeholders, 95),
            reply_p50_ms=percentile(replies, 50),
            reply_p95_ms=percentile(replies, 95),
            calls_per_reply=len(calls) / sequential,
            bot_memory_mib=_read_resident_mib(product.bot.pid),
        )


def format_figures(runs: Sequence[ReplyFigures]) -> str:
    """Return the medians of all runs as a Markdown table."""
    lines = ["| figure | median | lowest to highest | target |", "|---|---|---|---|"]
    for field in fields(ReplyFigures):
        label, unit, target = FIGURE_LABELS[field.name]
        values = [asdict(figures)[field.name] for figures in runs]
        median = f"{statistics.median(values):.1f} {unit}".strip()
        spread = f"{min(values):.1f} to {max(values):.1f}"
        lines.append(
            f"| {label} | {median} | {spread} | {f'≤ {target} {unit}' if target else ''} |"
        )
    return "\n".join(lines)


def start_product() -> Product:
    """Return the whole product on a checkpoint of a few thousand weights."""
    return Product(
        str(memorizing_checkpoint()),
        STARCHAT_MAX_PENDING_PER_USER="10000",
        STARCHAT_MAX_RUNNING_PER_USER="8",
    )


def wait_for_final_replies(workspace: Workspace, asked: Sequence[str], channel: str) -> None:
    """Wait until each of these mentions has its final reply."""
    for ts in asked:
        workspace.wait_for_messages(lambda thread: any(map(_is_final, thread)), channel, ts)


def _create_channel(workspace: Workspace, number: int) -> str:
    response = workspace.send_control("create", name=f"bench-{number}", members=[ADA, STARCHAT])
    return str(response["channel"])


def _post_burst(workspace: Workspace, count: int) -> list[str]:
    with ThreadPoolExecutor(count) as executor:
        return list(
            executor.map(lambda _: workspace.post_message(ADA, PYTHON, QUESTION), range(count))
        )


def _measure_ack_times(workspace: Workspace, asked: Sequence[str]) -> list[float]:
    def collect_acknowledgements() -> list[dict[str, Any]] | None:
        sent = [d for d in workspace.delivery_attempts() if d["ts"] in asked]
        return sent if len(sent) >= len(asked) and all(d["acked_at"] for d in sent) else None

    # Polling earlier would take time from the workspace in which it delivers.
    time.sleep(SETTLE_SECONDS)
    acknowledged = workspace.wait_until(collect_acknowledgements)
    return [1000 * (d["acked_at"] - d["sent_at"]) for d in acknowledged]


def _measure_reply_times(
    workspace: Workspace, asked: Sequence[str], calls: Sequence[dict[str, Any]]
) -> tuple[list[float], list[float]]:
    """Return the milliseconds from each mention to its placeholder and to its final reply."""
    sent_at: dict[str, float] = {}
    for delivery in workspace.delivery_attempts():
        if delivery["ts"] in asked:
            sent_at.setdefault(delivery["ts"], delivery["sent_at"])
    placeholders: dict[str, float] = {}
    finals: dict[str, float] = {}
    for call in calls:
        metadata = reply_metadata(call["args"])
        if not metadata:
            continue
        question = metadata["question"]
        elapsed_ms = (call["at"] - sent_at[question]) * 1000
        if call["method"] == "chat.postMessage":
            placeholders.setdefault(question, elapsed_ms)
        if metadata["state"] == "final":
            finals.setdefault(question, elapsed_ms + call["seconds"] * 1000)
    counts = Counter(len(found) for found in (sent_at, placeholders, finals))
    assert counts == {len(asked): 3}, counts  # noqa: S101
    return list(placeholders.values()), list(finals.values())


def _is_final(message: dict[str, Any]) -> bool:
    return reply_metadata(message).get("state") == "final"


def _read_resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / KIB_PER_MIB
