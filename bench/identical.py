"""Identical questions benchmark: one question in many threads at once, and different ones."""

import time
from dataclasses import dataclass
from typing import Any, Final

from chaos.checker.collector import make_token
from chaos.cluster.cluster import Cluster, ClusterSpec
from chaos.load import LoadGenerator
from chaos.watcher import ReplyWatcher
from contract.reply_controls import DETAILS_ACTION_ID
from demo.services import find_model
from testing.worker_harness import reply_metadata
from worker.answering.publishing.finished_answer import parse_details

QUESTION: Final = "Write a long story about a river, and take your time."
SPEC: Final = ClusterSpec(settings=(("STARCHAT_MAX_NEW_TOKENS", "128"),), build_model=find_model)
"""Cluster with the demo's model."""
REPLY_SECONDS: Final = 900.0
SEED: Final = 1


@dataclass(frozen=True, slots=True)
class IdenticalFigures:
    """Tokens that the engine generated for all replies, and the seconds until the last one."""

    name: str
    tokens: int
    seconds: float


def main(questions: int) -> str:
    """Measure, and return the table."""
    with Cluster(SPEC, SEED) as cluster:
        load = LoadGenerator(cluster, SEED)
        _ask(cluster, load, "warm-up", [None])
        figures = [
            _ask(cluster, load, "a different word in each", [None] * questions),
            _ask(cluster, load, "identical", [make_token(0, SEED)] * questions),
        ]
    return format_identical(questions, figures)


def _ask(
    cluster: Cluster, load: LoadGenerator, name: str, tokens: list[str | None]
) -> IdenticalFigures:
    """Ask one question for each token, and wait for all replies."""
    watcher, workspace = ReplyWatcher(cluster.workspace), cluster.workspace
    first_call, started_at = len(workspace.api_calls()), time.monotonic()
    asked = [
        load.ask_question(
            QUESTION,
            user=cluster.users[number % len(cluster.users)],
            channel=cluster.channels[number % len(cluster.channels)],
            token=token,
        )
        for number, token in enumerate(tokens)
    ]
    if watcher.wait_for_replies(asked, REPLY_SECONDS):
        raise TimeoutError("not all questions were answered")
    seconds = time.monotonic() - started_at
    generated = {
        str(reply_metadata(call["args"]).get("job")): count
        for call in workspace.api_calls(first_call, "chat.update")
        if (count := _count_generated_tokens(call["args"])) is not None
    }
    return IdenticalFigures(name, sum(generated.values()), seconds)


def _count_generated_tokens(arguments: dict[str, Any]) -> int | None:
    """Return the tokens that a finished reply says were generated for it; `None` if it grows."""
    for block in arguments.get("blocks") or ():
        for element in block.get("elements", ()):
            if element.get("action_id") == DETAILS_ACTION_ID:
                _, _, details = element["value"].partition("{")
                found = parse_details("{" + details)
                return found.new_tokens - found.shared_tokens
    return None


def format_identical(questions: int, figures: list[IdenticalFigures]) -> str:
    """Return the table."""
    return "\n".join(
        [
            f"| {questions} questions at once | tokens generated | time to the last reply |",
            "|---|---|---|",
            *(f"| {one.name} | {one.tokens:,} | {one.seconds:.1f} s |" for one in figures),
        ]
    )
