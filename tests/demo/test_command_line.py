"""The demo's command line, on a stack that starts no process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from demo.__main__ import EXIT_INTERRUPTED, main
from demo.console import DemoConsole
from demo.page_client import Reply
from demo.stack import StackError

MESSAGE = {"text": "A mutex is a lock."}


class FakeClient:
    """A page client whose bot gives the same reply to every question."""

    address = "http://page"

    def __init__(self, stack: "FakeStack") -> None:
        self._stack = stack

    def ask_question(self, question: str, _check: object) -> Iterator[Reply]:
        self._stack.questions.append(question)
        yield Reply((MESSAGE,), "growing")
        yield Reply((MESSAGE,), self._stack.final_state)


class FakeStack:
    """A stack without services, which records questions and its own shutdown."""

    final_state = "final"
    error: BaseException | None = None

    def __init__(self) -> None:
        self.questions: list[str] = []
        self.is_stopped = False

    def __call__(self, _home: Path, _port: int, _warn: object) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.is_stopped = True

    def start_services(self, _report_progress: object) -> FakeClient:
        return FakeClient(self)

    def check_services(self) -> None:
        if self.error is not None:
            raise self.error


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> FakeStack:
    """The stack that the command line uses; signal handlers stay as they are."""
    fake = FakeStack()
    monkeypatch.setattr("demo.__main__.Stack", fake)
    monkeypatch.setattr("demo.__main__.CHECK_INTERVAL_SECONDS", 0.0)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    return fake


@pytest.mark.parametrize(("state", "status"), [("final", 0), ("error", 1)])
def test_ask_prints_reply_and_stops_the_stack(
    stack: FakeStack, capsys: pytest.CaptureFixture[str], state: str, status: int
) -> None:
    """`--ask` starts everything, prints one reply, and exits with its success or failure."""
    stack.final_state = state

    assert main(["--ask", "what is a mutex?"], DemoConsole()) == status
    assert stack.questions == ["what is a mutex?"]
    assert stack.is_stopped
    assert capsys.readouterr().out == "A mutex is a lock.\n"


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (StackError("worker exited with status 1"), 1, "demo: worker exited with status 1\n"),
        (KeyboardInterrupt(), 0, "demo: stopped, nothing is left running\n"),
    ],
)
def test_demo_checks_services_until_failure_or_signal(
    stack: FakeStack,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    line: str,
) -> None:
    """Without `--ask` the demo prints the page's address and keeps checking its services."""
    stack.error = error

    assert main(["--no-question"], DemoConsole()) == status
    assert stack.questions == []
    assert stack.is_stopped
    printed = capsys.readouterr().err
    assert "Open http://page in a browser" in printed
    assert printed.endswith(line)


def test_interrupted_question_has_its_own_exit_status(
    stack: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C before the reply is complete exits with 130."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(FakeStack, "start_services", interrupt)

    assert main(["--ask", "what is a mutex?"], DemoConsole()) == EXIT_INTERRUPTED
