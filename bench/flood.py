"""Waits of eight people in a channel that a ninth one floods, under Slack's rate limits."""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final

from testing.checkpoints import memorizing_checkpoint
from testing.memorizing_model import GREET
from testing.product import Product
from testing.worker_harness import END_STATES, reply_metadata
from testing.workspace import STARCHAT, Json, Workspace

FLOODER: Final = "U0FLOODER0"
OTHERS: Final = tuple(f"U0PERSON{number:02}" for number in range(8))
QUESTION: Final = f"@StarChat {GREET}"
ASK_INTERVAL_SECONDS: Final = 1.0
FLOOD_BURST: Final = 5
"""Questions of the ninth for each question of the others, until all are asked."""
QUIET_SECONDS: Final = 60.0
"""Between two refusals that one person sees."""
TIMEOUT_SECONDS: Final = 900.0
EDIT_INTERVAL: Final = "1.2"
"""The product's default; the tests' is shorter."""


@dataclass(frozen=True, slots=True)
class FloodFigures:
    """Waits in seconds, replies of the eight people, and how Slack's limits were kept."""

    waits: list[float]
    unanswered: int
    doubled: int
    misordered: int
    limited_calls: int
    early_calls: int
    refusals: int
    refusals_too_soon: int


def main(questions: int, flood: int, threads: int) -> str:
    """Measure without and with the flood, and return the table."""
    alone, flooded = (measure_flood(questions, number, threads) for number in (0, flood))
    return format_figures(alone, flooded)


def measure_flood(questions: int, flood: int, threads: int) -> FloodFigures:
    """Let eight people ask `questions` in `threads` threads, and a ninth one `flood` of them."""
    model = str(memorizing_checkpoint())
    with Product(model, worker=False) as product:
        product.start_worker(STARCHAT_EDIT_INTERVAL=EDIT_INTERVAL).wait_for_event("model loaded")
        workspace = product.workspace
        channel = _create_channel(workspace)
        roots = [
            workspace.post_message(OTHERS[number % len(OTHERS)], channel, f"topic {number}")
            for number in range(threads)
        ]
        asked: dict[str, str] = {}
        for number in range(questions):
            first = number * FLOOD_BURST
            for at in range(first, min(first + FLOOD_BURST, flood)):
                workspace.post_message(FLOODER, channel, QUESTION, roots[at % threads])
            root = roots[number % threads]
            asked[workspace.post_message(OTHERS[number % len(OTHERS)], channel, QUESTION, root)] = (
                root
            )
            time.sleep(ASK_INTERVAL_SECONDS)
        workspace.wait_until(
            lambda: asked.keys() <= dict(_list_finals(workspace.message_changes())).keys() or None,
            timeout=TIMEOUT_SECONDS,
        )
        return _collect_figures(workspace, asked)


def _create_channel(workspace: Workspace) -> str:
    for user in (FLOODER, *OTHERS):
        workspace.send_control("person", id=user, name=user.lower())
    members = [FLOODER, *OTHERS, STARCHAT]
    return str(workspace.send_control("create", name="flooded", members=members)["channel"])


def _list_finals(changes: Sequence[Json]) -> Iterator[tuple[str, Json]]:
    """Yield the question of each change to a final message, and the change."""
    for change in changes:
        metadata = reply_metadata(change["message"])
        if metadata.get("state") in END_STATES:
            yield metadata["question"], change


def _collect_figures(workspace: Workspace, asked: dict[str, str]) -> FloodFigures:
    changes = workspace.message_changes()
    asked_at = {c["message"]["ts"]: c["at"] for c in changes if c["message"]["ts"] in asked}
    final_at: dict[str, float] = {}
    messages: dict[str, set[str]] = defaultdict(set)
    for question, change in _list_finals(changes):
        final_at.setdefault(question, change["at"])
        messages[question].add(change["message"]["ts"])
    calls = workspace.api_calls()
    refusals = [
        call["at"]
        for call in calls
        if call["method"] == "chat.postEphemeral" and call["ok"] and call["args"]["user"] == FLOODER
    ]
    gaps = [after - before for before, after in pairwise(refusals)]
    return FloodFigures(
        waits=[final_at[ts] - asked_at[ts] for ts in asked if ts in final_at],
        unanswered=sum(ts not in final_at for ts in asked),
        doubled=sum(len(messages[ts]) > 1 for ts in asked),
        misordered=_count_order_errors(asked, final_at),
        limited_calls=sum(call["status"] == 429 for call in calls),
        early_calls=_count_early_calls(calls),
        refusals=len(refusals),
        refusals_too_soon=sum(gap < QUIET_SECONDS for gap in gaps),
    )


def _count_order_errors(asked: dict[str, str], final_at: dict[str, float]) -> int:
    """Count the replies that were final before the reply to an earlier question of the thread."""
    last: dict[str, float] = {}
    misordered = 0
    for ts in sorted(asked, key=float):
        if ts in final_at:
            misordered += final_at[ts] < last.get(asked[ts], 0.0)
            last[asked[ts]] = final_at[ts]
    return misordered


def _count_early_calls(calls: Sequence[Json]) -> int:
    """Count the calls of a limited method and channel before `Retry-After` was over."""
    closed_until: dict[tuple[str, str], float] = {}
    early = 0
    for call in calls:
        # Posts are limited for each channel, all other methods for the whole workspace.
        posts = call["method"] == "chat.postMessage"
        name = (call["method"], str(call["args"].get("channel", "")) if posts else "")
        early += call["at"] < closed_until.get(name, 0.0)
        if call["status"] == 429:
            closed_until[name] = call["at"] + float(call["retry_after"])
    return early


def format_figures(alone: FloodFigures, flooded: FloodFigures) -> str:
    """Return a Markdown table of a run without and a run with the flood."""
    rows = ["| figure | without the flood | with it | aim |", "|---|---|---|---|"]
    for name, spoken, aim in (
        ("unanswered", "questions of the eight without an answer", "0"),
        ("doubled", "answered twice", "0"),
        ("misordered", "answered out of order", "0"),
        ("limited_calls", "responses 429", "≤ 5"),
        ("early_calls", "calls before `Retry-After` was over", "0"),
        ("refusals", "refusals to the ninth", ""),
        ("refusals_too_soon", "refusals within a minute of the one before", "0"),
    ):
        rows.append(f"| {spoken} | {getattr(alone, name)} | {getattr(flooded, name)} | {aim} |")
    waits = [f"{median(run.waits):.1f} s" for run in (alone, flooded)]
    longest = [f"{max(run.waits):.1f} s" for run in (alone, flooded)]
    rows.append(f"| wait for the whole reply, median | {waits[0]} | {waits[1]} |  |")
    rows.append(f"| longest | {longest[0]} | {longest[1]} |  |")
    return "\n".join(rows)
