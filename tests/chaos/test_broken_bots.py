"""Twelve bots that each break a promise are each caught, and the bot that keeps all is not."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final, Self

import pytest

from chaos.checker.collector import collect, token
from chaos.checker.expectations import Invariant
from chaos.checker.history import History
from chaos.checker.invariants import check
from testing.polling import until
from testing.processes import Process
from testing.workspace import ADA, GENERAL, Workspace
from tests.chaos.broken_bots import BOTS

NUMBERS: Final = itertools.count(1)
HOSTILE: Final = "<!channel> <@U0LIN00001> https://evil.example/?d=1"

pytestmark = pytest.mark.repeats


class Run:
    """One of the small bots in a workspace; it may be killed and started again."""

    def __init__(self, workspace: Workspace, name: str) -> None:
        self.workspace = workspace
        self._name = name
        self._began = time.monotonic()
        self._bots: list[Process] = []
        self._asked: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._mend()

    def start(self, *hold: str) -> Process:
        """Start the bot; with `hold` it stands still before it answers."""
        bot = Process("tests.chaos.broken_bots", self._name, *hold, **self.workspace.environment)
        bot.wait_for_line("ready")
        self._bots.append(bot)
        return bot

    def ask(self, what: str = "echo", more: str = "") -> None:
        """Ask a question of its own."""
        words = f"@StarChat {what} {token(next(NUMBERS))} {more}"
        self._asked.append(self.workspace.post(ADA, GENERAL, words))

    def settle(self) -> None:
        """Wait until Slack has all acknowledgements, and end what went wrong."""
        until(self._settled, what="all acknowledgements")
        self._mend()

    def history(self) -> History:
        """Return what happened; these bots do nothing after their acknowledgement."""
        whole, began = collect(self.workspace, self._bots), self._began
        return replace(
            whole,
            mentions=tuple(m for m in whole.mentions if m.asked_at > began),
            messages=tuple(m for m in whole.messages if m.versions[0].at > began),
            calls=tuple(call for call in whole.calls if call.at > began),
        )

    def stop(self) -> None:
        """End the bot."""
        for bot in self._bots:
            bot.stop()

    def _mend(self) -> None:
        self.workspace.faults()
        self.workspace.clock(speed=1.0, ack_seconds=3.0)

    def _settled(self) -> bool:
        told = [e for e in self.workspace.envelopes() if e["ts"] in self._asked]
        wanted = {(ts, event) for ts in self._asked for event in ("app_mention", "message")}
        done = {(e["ts"], e["event_type"]) for e in told if e["acked_at"] is not None}
        return done >= wanted and all(e["acked_at"] or e["failure"] for e in told)


def plainly(run: Run) -> None:
    """A question that quotes what would ping and unfurl."""
    run.start()
    run.ask(more=HOSTILE)
    run.settle()


def killed(run: Run) -> None:
    """The bot is killed before it answers, and started again."""
    run.workspace.clock(speed=100.0, ack_seconds=1.0)
    bot = run.start("hold")
    run.ask()
    bot.wait_for_line("holding")
    bot.kill()
    run.start()
    run.settle()


def doubled(run: Run) -> None:
    """Slack delivers everything twice."""
    run.workspace.faults(deliveries={"duplicate": 1.0})
    run.start()
    run.ask()
    run.settle()


def dropped(run: Run) -> None:
    """The connection is cut after a post has taken effect."""
    run.workspace.faults({"fault": "drop_after", "method": "chat.postMessage", "count": 1})
    run.start()
    run.ask()
    run.settle()


def limited(run: Run) -> None:
    """Slack has no room for a post now."""
    rule = {"fault": "ratelimited", "method": "chat.postMessage", "count": 1, "retry_after": 1}
    run.workspace.faults(rule)
    run.start()
    run.ask()
    run.settle()


def failing(run: Run) -> None:
    """The model fails."""
    run.start()
    run.ask("fail")
    run.settle()


TWICE: Final = {Invariant.ONE_END, Invariant.ONE_MESSAGE}
LOST: Final = {Invariant.ONE_END}
BROKEN: Final = (
    ("AcknowledgesFirst", killed, LOST),
    ("ForgetsDeliveries", doubled, TWICE),
    ("RepeatsPosts", dropped, TWICE),
    ("WrongThread", plainly, {Invariant.RIGHT_PLACE}),
    ("TwoWorkers", plainly, TWICE),
    ("Pings", plainly, {Invariant.NO_PING}),
    ("Unfurls", plainly, {Invariant.NO_PING}),
    ("LogsText", plainly, {Invariant.NO_LEAK}),
    ("DropsRedeliveries", killed, LOST),
    ("Impatient", limited, {Invariant.RETRY_AFTER}),
    ("Restless", plainly, {Invariant.FINAL}),
    ("ForgetsErrors", failing, LOST),
)
FAULTS: Final = (plainly, killed, doubled, dropped, limited, failing)


@pytest.fixture(scope="module")
def town() -> Iterator[Workspace]:
    """One workspace, in which one bot after the other lives."""
    with Workspace() as workspace:
        yield workspace


@pytest.mark.parametrize(("name", "fault", "broken"), BROKEN, ids=[one[0] for one in BROKEN])
def test_a_broken_bot_is_caught(
    town: Workspace, name: str, fault: Callable[[Run], None], broken: set[Invariant]
) -> None:
    """The checker names the promise that the bot breaks, and no other."""
    with Run(town, name) as run:
        fault(run)
        violations = check(run.history())
    assert {violation.invariant for violation in violations} == broken, violations


def test_every_broken_bot_has_a_test() -> None:
    """There are twelve."""
    assert len(BROKEN) == 12
    assert {name for name, _, _ in BROKEN} == BOTS.keys() - {"Bot"}


def test_the_honest_bot_is_left_alone_by_the_same_faults(town: Workspace) -> None:
    """Each fault that shows a flaw happens to it, and every question has its one reply."""
    with Run(town, "Bot") as run:
        for fault in FAULTS:
            fault(run)
            run.stop()
        history = run.history()
    assert check(history) == ()
    assert len(history.mentions) == len(history.messages) == len(FAULTS)
    assert {call.status for call in history.calls} == {200, 429, 500}
    # The one of the kill came again, the one of the doubled deliveries came in two pairs.
    deliveries = [len(mention.deliveries) for mention in history.mentions]
    assert (deliveries[1] > 2, deliveries[2]) == (True, 4)
