"""Acknowledgement times of a bot whose reads of a hundred threads are slow."""

import time
from dataclasses import dataclass
from typing import Final

from bot.slack.socket_mode import CONNECTIONS
from bot.store.client import connect_redis
from chaos.scenario import percentile
from contract import keys
from testing.polling import poll_until
from testing.processes import Process
from testing.queue_inspector import TEAM
from testing.redis_server import RedisServer
from testing.workspace import ADA, GENERAL, LIN, PYTHON, SAM, STARCHAT, Workspace

READ_SECONDS: Final = 9.0
"""Slack's response time for a read of one of the threads."""
ASK_INTERVAL_SECONDS: Final = 0.1
MAX_P99_MS: Final = 500
ACK_TIMEOUT_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class SlowReadFigures:
    """Acknowledgement times in milliseconds, failed deliveries, and unread questions after all."""

    slow_ms: list[float]
    other_ms: list[float]
    direct_ms: list[float]
    failures: int
    unread: int


def main(threads: int, questions: int) -> str:
    """Measure, and return the table."""
    return format_figures(measure_slow_reads(threads, questions))


def measure_slow_reads(threads: int, questions: int) -> SlowReadFigures:
    """Ask in `threads` threads of a slow channel, and beside them `questions` elsewhere."""
    with RedisServer() as server, Workspace() as workspace:
        variables = workspace.environment | {"STARCHAT_MAX_PENDING_PER_USER": "1000"}
        with Process("bot", REDIS_URL=server.url, **variables) as bot:
            for _ in range(CONNECTIONS):
                bot.wait_for_event("connected")
            workspace.wait_until_connected()
            return _ask_everywhere(workspace, server, threads, questions)


def _ask_everywhere(
    workspace: Workspace, server: RedisServer, threads: int, questions: int
) -> SlowReadFigures:
    fault = {"fault": "slow", "seconds": READ_SECONDS, "channel": GENERAL}
    workspace.set_faults({"method": "conversations.replies", **fault})
    direct_channel = workspace.open_dm(SAM, STARCHAT)
    slow = [_ask_in_thread(workspace, GENERAL) for _ in range(threads)]
    other: list[str] = []
    direct: list[str] = []
    for _ in range(questions // 2):
        other.append(_ask_in_thread(workspace, PYTHON))
        direct.append(workspace.post_message(SAM, direct_channel, "what is a mutex?"))
        time.sleep(ASK_INTERVAL_SECONDS)
    asked = [*slow, *other, *direct]
    poll_until(
        lambda: _count_acks(workspace, asked) == len(asked),
        timeout=ACK_TIMEOUT_SECONDS,
        description="the acknowledgements",
    )
    with connect_redis(server.url) as redis:
        unread = redis.zcard(keys.inbox(TEAM))
    return SlowReadFigures(
        slow_ms=_list_ack_times(workspace, slow),
        other_ms=_list_ack_times(workspace, other),
        direct_ms=_list_ack_times(workspace, direct),
        failures=sum(e["failure"] is not None for e in workspace.delivery_attempts()),
        unread=unread,
    )


def _ask_in_thread(workspace: Workspace, channel: str) -> str:
    """Ask in a thread that the bot must read; return the question's `ts`."""
    root = workspace.post_message(LIN, channel, "the build fails")
    return workspace.post_message(ADA, channel, "@StarChat why?", root)


def _count_acks(workspace: Workspace, asked: list[str]) -> int:
    return len({e["ts"] for e in workspace.delivery_attempts() if e["acked_at"]} & set(asked))


def _list_ack_times(workspace: Workspace, asked: list[str]) -> list[float]:
    return [
        (e["acked_at"] - e["sent_at"]) * 1000
        for e in workspace.delivery_attempts()
        if e["ts"] in asked and e["acked_at"]
    ]


def format_figures(figures: SlowReadFigures) -> str:
    """Return a Markdown table."""
    rows = ["| acknowledgement | p50 | p99 | aim |", "|---|---|---|---|"]
    for name, times in (
        ("in the slow channel", figures.slow_ms),
        ("in threads of another channel", figures.other_ms),
        ("of direct messages", figures.direct_ms),
    ):
        p50, p99 = percentile(times, 50), percentile(times, 99)
        rows.append(f"| {name} ({len(times)}) | {p50:.0f} ms | {p99:.0f} ms | ≤ {MAX_P99_MS} ms |")
    rows.append("")
    rows.append(f"Failed deliveries: {figures.failures}. Unread at the end: {figures.unread}.")
    return "\n".join(rows)
