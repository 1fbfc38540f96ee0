"""Stop benchmark: the time from a press of *Stop* until the reply's slot is free."""

import statistics
from datetime import datetime
from functools import partial
from time import time
from typing import Final

from chaos.cluster.cluster import Cluster, ClusterSpec
from chaos.load import LoadGenerator, Question
from chaos.recovery import parse_log, question_job_id
from chaos.scenario import percentile
from chaos.watcher import ReplyWatcher
from demo.services import find_model
from testing.polling import poll_until

QUESTION: Final = "Write a long story about a river, and take your time."
SPEC: Final = ClusterSpec(settings=(("STARCHAT_MAX_NEW_TOKENS", "512"),), build_model=find_model)
"""Cluster with the demo's model."""
GROWTH_SECONDS: Final = 180.0
SEED: Final = 1
MILLISECONDS: Final = 1000


def main(replies: int) -> str:
    """Measure, and return the table."""
    return format_stops(measure_stops(replies))


def measure_stops(count: int) -> list[float]:
    """Stop `count` growing replies by their button; return the seconds until each slot is free."""
    with Cluster(SPEC, SEED) as cluster:
        load, watcher = LoadGenerator(cluster, SEED), ReplyWatcher(cluster.workspace)
        samples = []
        for number in range(count):
            channel = cluster.channels[number % len(cluster.channels)]
            question = load.ask_question(QUESTION, channel=channel)
            if not watcher.wait_for_state(question, "growing", GROWTH_SECONDS):
                continue
            pressed_at = time()
            cluster.workspace.post_json(
                "_page/click",
                {
                    "user": question.user,
                    "channel": question.channel,
                    "ts": watcher.list_messages(question)[0],
                    "action_id": "stop_reply",
                },
            )
            find_release = partial(_find_release, cluster, question)
            freed_at = poll_until(find_release, timeout=GROWTH_SECONDS, description="the slot")
            samples.append(freed_at - pressed_at)
            watcher.wait_for_replies([question], GROWTH_SECONDS)
        return samples


def _find_release(cluster: Cluster, question: Question) -> float | None:
    """Return when the worker freed the slot of a stopped reply (s since the epoch)."""
    job = question_job_id(question)
    for worker in cluster.workers:
        for line in parse_log(worker):
            if line.get("event") == "slot freed by a stop" and line.get("job") == job:
                return datetime.fromisoformat(line["timestamp"]).timestamp()
    return None


def format_stops(samples: list[float]) -> str:
    """Return the table of the measured times."""
    p50, p95 = (
        MILLISECONDS * value for value in (statistics.median(samples), percentile(samples, 95))
    )
    return "\n".join(
        [
            f"| press of *Stop* → slot free ({len(samples)} replies) | value | aim |",
            "|---|---|---|",
            f"| p50 | {p50:.0f} ms |  |",
            f"| p95 | {p95:.0f} ms | ≤ 250 ms |",
            f"| slowest | {MILLISECONDS * max(samples):.0f} ms |  |",
        ]
    )
