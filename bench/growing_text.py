"""Growing replies under Slack's rate limits: calls a reply, and the age of the text on the page."""

import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Final

from chaos.scenario import percentile
from demo.services import find_model
from testing.product import Product
from testing.worker_harness import END_STATES, reply_metadata
from testing.workspace import STARCHAT, Workspace

QUESTION: Final = (
    "@StarChat Explain in detail how a hash table works, with an example in Python of each step."
)
"""A question whose reply by the demo's model reaches its limit of tokens."""
NEW_TOKENS: Final = "256"
NUM_TALKERS: Final = 8
SETTINGS: Final = {
    "STARCHAT_MAX_NEW_TOKENS": NEW_TOKENS,
    "STARCHAT_EDIT_INTERVAL": "1.2",
    "STARCHAT_SLOTS": "32",
}
"""The product's own interval of edits; the tests' is shorter."""
TIMEOUT_SECONDS: Final = 900.0
LOAD_SECONDS: Final = 180.0


@dataclass(frozen=True, slots=True)
class GrowingFigures:
    """
    Figures of one run.

    `gaps` are the seconds between two visible changes of one reply, from its first text on: the
    text is never older.
    """

    replies: int
    calls_per_reply: float
    most_calls: int
    gaps: list[float]
    limited_calls: int


def main(minutes: float) -> str:
    """Measure 1, 8 and 32 replies at once, then eight talkers for some minutes."""
    rows = [("1 reply", measure_burst(1)), ("8 replies at once", measure_burst(8))]
    rows += [("32 replies at once", measure_burst(32))]
    rows += [(f"{NUM_TALKERS} talkers, {minutes:g} minutes", measure_talkers(60 * minutes))]
    return format_growth(rows)


def measure_burst(count: int) -> GrowingFigures:
    """Ask `count` questions at once, each in a separate channel."""
    with start_product(count) as product:
        return _measure_rounds(product.workspace, count, 0.0)


def measure_talkers(seconds: float) -> GrowingFigures:
    """Let eight people ask, each again as soon as all have their replies."""
    with start_product(NUM_TALKERS) as product:
        return _measure_rounds(product.workspace, NUM_TALKERS, seconds)


def start_product(count: int) -> Product:
    """Start the product with `count` people and channels, under Slack's rate limits."""
    product = Product(str(find_model()), worker=False)
    product.start_worker(**SETTINGS).wait_for_event("model loaded", timeout=LOAD_SECONDS)
    for number in range(count):
        product.workspace.send_control("person", id=_person(number), name=f"talker{number}")
        members = [_person(number), STARCHAT]
        product.workspace.send_control("create", name=f"growing-{number}", members=members)
    product.workspace.post_json("_control/limits", {"on": True})
    return product


def _person(number: int) -> str:
    return f"U0TALKER{number:02}"


def _measure_rounds(workspace: Workspace, count: int, seconds: float) -> GrowingFigures:
    channels = {
        str(channel["name"]): str(channel["id"])
        for number in range(count)
        for channel in workspace.read_state(_person(number))["channels"]
    }
    calls_before = int(workspace.get_json("_control/calls")["next"])
    first_change = int(workspace.get_json("_control/changes")["next"])
    asked: list[str] = []
    started = time.monotonic()
    while not asked or time.monotonic() - started < seconds:
        asked += [
            workspace.post_message(_person(number), channels[f"growing-{number}"], QUESTION)
            for number in range(count)
        ]
        workspace.wait_until(
            partial(_find_all_finals, workspace, first_change, asked), timeout=TIMEOUT_SECONDS
        )
    return _collect_figures(workspace, asked, calls_before, first_change)


def _find_all_finals(workspace: Workspace, first_change: int, asked: Sequence[str]) -> bool | None:
    changes = workspace.message_changes(first_change)
    metadata = [reply_metadata(change["message"]) for change in changes]
    ended = {one.get("question") for one in metadata if one.get("state") in END_STATES}
    return set(asked) <= ended or None


def _collect_figures(
    workspace: Workspace, asked: Sequence[str], calls_before: int, first_change: int
) -> GrowingFigures:
    calls = workspace.api_calls(calls_before)
    shown_at: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for change in workspace.message_changes(first_change):
        metadata = reply_metadata(change["message"])
        question = str(metadata.get("question"))
        if question in asked:
            shown_at[question].append((change["at"], metadata.get("state") != "placeholder"))
    gaps = [
        after - before
        for times in shown_at.values()
        for (before, has_text), (after, _) in pairwise(times)
        if has_text
    ]
    edits = [len(times) for times in shown_at.values()]
    return GrowingFigures(
        replies=len(asked),
        calls_per_reply=len(calls) / len(asked),
        most_calls=max(edits),
        gaps=gaps,
        limited_calls=sum(call["status"] == 429 for call in calls),
    )


def format_growth(rows: Sequence[tuple[str, GrowingFigures]]) -> str:
    """Return a Markdown table, one row a run."""
    header = "run | replies | calls a reply | most of one message | age p50 / p95 | responses 429"
    lines = [f"| {header} |", "|---|---|---|---|---|---|"]
    for name, run in rows:
        age = f"{statistics.median(run.gaps):.1f} / {percentile(run.gaps, 95):.1f} s"
        lines.append(
            f"| {name} | {run.replies} | {run.calls_per_reply:.1f} | {run.most_calls} | {age} "
            f"| {run.limited_calls} |"
        )
    return "\n".join(lines)
