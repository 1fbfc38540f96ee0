"""Checker on real runs: it finds the violation of each broken bot, and none of the correct one."""

import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Self

import pytest

from chaos.checker.collector import collect_history, make_token
from chaos.checker.expectations import Invariant
from chaos.checker.history import History
from chaos.checker.invariants import check_history
from testing.polling import poll_until
from testing.processes import Process
from testing.workspace import ADA, GENERAL, Workspace
from tests.chaos.broken_bots import BOTS_BY_NAME

NUMBERS: Final = itertools.count(1)
HOSTILE: Final = "<!channel> <@U0LIN00001> https://evil.example/?d=1"

pytestmark = pytest.mark.repeats


class BotRun:
    """Run of one bot in a workspace; a test may kill and restart it."""

    def __init__(self, workspace: Workspace, name: str) -> None:
        self.workspace = workspace
        self._name = name
        self._started_at = time.monotonic()
        self._bots: list[Process] = []
        self._asked: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_bots()
        self._end_faults()

    def start_bot(self, *hold: str) -> Process:
        """Start the bot; with `hold` it waits before its answer."""
        bot = Process("tests.chaos.broken_bots", self._name, *hold, **self.workspace.environment)
        bot.wait_for_line("ready")
        self._bots.append(bot)
        return bot

    def ask_question(self, what: str = "echo", more: str = "") -> None:
        """Ask a question with a new token."""
        words = f"@StarChat {what} {make_token(next(NUMBERS))} {more}"
        self._asked.append(self.workspace.post_message(ADA, GENERAL, words))

    def wait_for_acks(self) -> None:
        """Wait until all deliveries are acknowledged, and end the faults."""
        poll_until(self._has_all_acks, description="all acknowledgements")
        self._end_faults()

    def read_history(self) -> History:
        """Return the history of this run; the bots do nothing after an acknowledgement."""
        whole, started_at = collect_history(self.workspace, self._bots), self._started_at
        return replace(
            whole,
            mentions=tuple(m for m in whole.mentions if m.asked_at > started_at),
            messages=tuple(m for m in whole.messages if m.versions[0].at > started_at),
            calls=tuple(call for call in whole.calls if call.at > started_at),
        )

    def stop_bots(self) -> None:
        """Stop all processes of the bot."""
        for bot in self._bots:
            bot.stop_process()

    def _end_faults(self) -> None:
        self.workspace.set_faults()
        self.workspace.set_clock(speed=1.0, ack_seconds=3.0)

    def _has_all_acks(self) -> bool:
        told = [e for e in self.workspace.delivery_attempts() if e["ts"] in self._asked]
        wanted = {(ts, event) for ts in self._asked for event in ("app_mention", "message")}
        done = {(e["ts"], e["event_type"]) for e in told if e["acked_at"] is not None}
        return done >= wanted and all(e["acked_at"] or e["failure"] for e in told)


def ask_without_fault(run: BotRun) -> None:
    """Ask a question with mentions and a link, without a fault."""
    run.start_bot()
    run.ask_question(more=HOSTILE)
    run.wait_for_acks()


def kill_before_answer(run: BotRun) -> None:
    """Kill the bot before it answers, and start it again."""
    run.workspace.set_clock(speed=100.0, ack_seconds=1.0)
    bot = run.start_bot("hold")
    run.ask_question()
    bot.wait_for_line("holding")
    bot.kill_group()
    run.start_bot()
    run.wait_for_acks()


def deliver_twice(run: BotRun) -> None:
    """Deliver every event twice."""
    run.workspace.set_faults(deliveries={"duplicate": 1.0})
    run.start_bot()
    run.ask_question()
    run.wait_for_acks()


def cut_after_post(run: BotRun) -> None:
    """Cut the connection after a post took effect."""
    run.workspace.set_faults({"fault": "drop_after", "method": "chat.postMessage", "count": 1})
    run.start_bot()
    run.ask_question()
    run.wait_for_acks()


def limit_rate_once(run: BotRun) -> None:
    """Rate-limit one post."""
    rule = {"fault": "ratelimited", "method": "chat.postMessage", "count": 1, "retry_after": 1}
    run.workspace.set_faults(rule)
    run.start_bot()
    run.ask_question()
    run.wait_for_acks()


def fail_generation(run: BotRun) -> None:
    """Ask a question that makes the model fail."""
    run.start_bot()
    run.ask_question("fail")
    run.wait_for_acks()


DOUBLED_REPLY: Final = {Invariant.ONE_END, Invariant.ONE_MESSAGE}
LOST_REPLY: Final = {Invariant.ONE_END}
BROKEN_BOTS: Final = (
    ("AcknowledgesFirst", kill_before_answer, LOST_REPLY),
    ("ForgetsDeliveries", deliver_twice, DOUBLED_REPLY),
    ("RepeatsPosts", cut_after_post, DOUBLED_REPLY),
    ("WrongThread", ask_without_fault, {Invariant.RIGHT_PLACE}),
    ("TwoWorkers", ask_without_fault, DOUBLED_REPLY),
    ("Pings", ask_without_fault, {Invariant.NO_PING}),
    ("Unfurls", ask_without_fault, {Invariant.NO_PING}),
    ("LogsText", ask_without_fault, {Invariant.NO_LEAK}),
    ("DropsRedeliveries", kill_before_answer, LOST_REPLY),
    ("Impatient", limit_rate_once, {Invariant.RETRY_AFTER}),
    ("Restless", ask_without_fault, {Invariant.FINAL}),
    ("ForgetsErrors", fail_generation, LOST_REPLY),
)
FAULTS: Final = (
    ask_without_fault,
    kill_before_answer,
    deliver_twice,
    cut_after_post,
    limit_rate_once,
    fail_generation,
)


@pytest.mark.parametrize(
    ("name", "fault", "broken"), BROKEN_BOTS, ids=[one[0] for one in BROKEN_BOTS]
)
def test_broken_bot_violates_exactly_its_promise(
    workspace: Workspace, name: str, fault: Callable[[BotRun], None], broken: set[Invariant]
) -> None:
    """The checker reports the invariant that the bot violates, and no other."""
    with BotRun(workspace, name) as run:
        fault(run)
        violations = check_history(run.read_history())
    assert {violation.invariant for violation in violations} == broken, violations


def test_every_broken_bot_is_listed() -> None:
    """Each of the twelve broken bots is in the list."""
    assert len(BROKEN_BOTS) == 12
    assert {name for name, _, _ in BROKEN_BOTS} == BOTS_BY_NAME.keys() - {"Bot"}


def test_correct_bot_violates_nothing_under_the_same_faults(workspace: Workspace) -> None:
    """All faults are injected, and every question has one reply."""
    with BotRun(workspace, "Bot") as run:
        for fault in FAULTS:
            fault(run)
            run.stop_bots()
        history = run.read_history()
    assert check_history(history) == ()
    assert len(history.mentions) == len(history.messages) == len(FAULTS)
    assert {call.status for call in history.calls} == {200, 429, 500}
    # The killed bot's event was redelivered; the duplicated events are two pairs.
    deliveries = [len(mention.deliveries) for mention in history.mentions]
    assert (deliveries[1] > 2, deliveries[2]) == (True, 4)
