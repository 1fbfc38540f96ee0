"""
Slack unreachable: name resolution fails, connections are refused, reset or stalled.

The name is resolved by Python in each process (`testing/broken_environment.py`). Connections are
not encrypted here: a reset breaks them at their first bytes, where a TLS handshake would be.
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
"""Speed of Slack's clock during redeliveries."""
OUTAGE_SECONDS: Final = 6.0
"""Duration of an outage: 90 s of Slack's clock."""
STALL_SECONDS: Final = 12.0
"""Duration of a stall: above the client's timeouts, below Slack's redelivery."""
MAX_RECONNECT_TRIES: Final = 8
"""Connection attempts of a bot in one outage: after 1, 2, 5 and 10 s, or half of that."""
MAX_RECONNECT_SECONDS: Final = 15.0
"""Maximum time until bots are connected again: the longest pause, and a call's timeout."""
OUTAGES: Final = (
    ("name not resolved", NO_FAULT, OUTAGE_SECONDS),
    ("refused", NetworkFault(refused=True), OUTAGE_SECONDS),
    ("reset", NetworkFault(reset_probability=1.0), OUTAGE_SECONDS),
    ("stalled", NetworkFault(stalled=True), STALL_SECONDS),
)


def cut_off_slack(run: ScenarioRun) -> None:
    """Cut Web API and Socket Mode off in each way while users ask."""
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
        # Redeliveries run at a higher speed, to shorten the scenario.
        workspace.set_clock(speed=FAST_CLOCK_SPEED)
        run.wait_for_replies()
        workspace.set_clock(speed=CLOCK_SPEED)
    if slowest > MAX_RECONNECT_SECONDS:
        run.failures.append(f"reconnected after {slowest:.1f} s")
    if max_tries > MAX_RECONNECT_TRIES:
        run.failures.append(f"{max_tries} connection attempts in one outage")
    run.notes.append(f"reconnected within {slowest:.1f} s, at most {max_tries} attempts before")
    for process in (*run.cluster.bots, *run.cluster.workers):
        if process.poll() is not None:
            run.failures.append(f"{process.module} exited")


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
    """Return the number of failed connections of each bot so far."""
    return [
        sum(line.get("event") == "slack not reached" for line in parse_log(bot))
        for bot in run.cluster.bots
    ]


CLUSTER: Final = ClusterSpec(bot_count=2, worker_count=2, with_slack_proxy=True)
SLACK_UNREACHABLE: Final = Scenario(
    "slack-unreachable",
    "S4",
    "slack's name unresolved, connection refused, reset in the handshake, stalled",
    cut_off_slack,
)
