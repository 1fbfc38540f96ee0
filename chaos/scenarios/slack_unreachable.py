"""
A row in which Slack cannot be reached at all: no name, no port, no handshake, no answer.

The name is that of a resolver in each process (`testing/broken_resolver.py`). TLS itself is not
spoken: what is reset is the connection, with the first bytes of its handshake on the way.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from chaos.cluster.cluster import CLOCK_SPEED, ClusterSpec
from chaos.cluster.redis_proxy import NO_FAULT, NetworkFault
from chaos.cluster.slack_proxy import SlackProxy
from chaos.recovery import parse_log
from chaos.run import ScenarioRun
from chaos.scenario import Scenario

FAST_CLOCK_SPEED: Final = 150.0
"""How fast Slack's clock runs while it delivers again."""
OUTAGE_SECONDS: Final = 6.0
"""Seconds without a way to Slack, which are 90 of Slack's own here."""
STALL_SECONDS: Final = 12.0
"""Seconds of silence: more than any of our calls waits, less than Slack repeats itself."""
MAX_RECONNECT_TRIES: Final = 8
"""How often a bot may try anew within each: after 1, 2, 5 and 10 seconds, or half of that."""
MAX_RECONNECT_SECONDS: Final = 15.0
"""Seconds after which bots are connected again: the longest pause, and a call that waits."""
OUTAGES: Final = (
    ("name not resolved", NO_FAULT, OUTAGE_SECONDS),
    ("refused", NetworkFault(refused=True), OUTAGE_SECONDS),
    ("reset", NetworkFault(reset_probability=1.0), OUTAGE_SECONDS),
    ("stalled", NetworkFault(stalled=True), STALL_SECONDS),
)


def cut_off_slack(run: ScenarioRun) -> None:
    """Take Slack away in each way while people ask, for Web API and Socket Mode alike."""
    proxy, workspace = run.cluster.slack_proxy, run.cluster.workspace
    assert proxy is not None
    slowest, max_tries = 0.0, 0
    for name, fault, seconds in OUTAGES:
        run.ask_questions(run.scale_count(12, 4))
        tries_before = _count_failed_calls(run)
        with _break_connection(proxy, fault):
            run.ask_questions(run.scale_count(24, 8), seconds=seconds)
        run.faults[name] += 1
        started_at = time.monotonic()
        workspace.wait_until_connected(timeout=2 * MAX_RECONNECT_SECONDS)
        slowest = max(slowest, time.monotonic() - started_at)
        max_tries = max(
            max_tries,
            *(
                after - before
                for after, before in zip(_count_failed_calls(run), tries_before, strict=True)
            ),
        )
        # What is still to be delivered again need not keep the row waiting.
        workspace.set_clock(speed=FAST_CLOCK_SPEED)
        run.wait_for_replies()
        workspace.set_clock(speed=CLOCK_SPEED)
    if slowest > MAX_RECONNECT_SECONDS:
        run.failures.append(f"connected again after {slowest:.1f} s")
    if max_tries > MAX_RECONNECT_TRIES:
        run.failures.append(f"{max_tries} tries to reach slack in one outage")
    run.notes.append(f"connected again within {slowest:.1f} s, at most {max_tries} tries before")
    for process in (*run.cluster.bots, *run.cluster.workers):
        if process.poll() is not None:
            run.failures.append(f"{process.module} ended by itself")


@contextmanager
def _break_connection(proxy: SlackProxy, fault: NetworkFault) -> Iterator[None]:
    proxy.fault = fault
    if fault is NO_FAULT:
        proxy.resolver_failure_file.touch()
    if not fault.stalled:
        proxy.cut_connections()
    try:
        yield
    finally:
        proxy.resolver_failure_file.unlink(missing_ok=True)
        proxy.fault = NO_FAULT


def _count_failed_calls(run: ScenarioRun) -> list[int]:
    """Return how often each bot has failed to reach Slack so far."""
    return [
        sum(line.get("event") == "slack not reached" for line in parse_log(bot))
        for bot in run.cluster.bots
    ]


CLUSTER: Final = ClusterSpec(bot_count=2, worker_count=2, with_slack_proxy=True)
SLACK_UNREACHABLE: Final = Scenario(
    "S4", "slack without a name, refused, reset in its handshake, stalled", cut_off_slack
)
