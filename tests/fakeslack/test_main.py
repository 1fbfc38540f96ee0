"""Command line: signals, ports and HTTP mode."""

from collections.abc import Iterator

import pytest

from testing.processes import Process
from testing.workspace import ADA, GENERAL, Workspace


@pytest.fixture
def slack() -> Iterator[Workspace]:
    """A workspace that waits for acknowledgements as long as a busy machine may need."""
    with Workspace("--ack-seconds", "30") as workspace:
        yield workspace


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT"])
def test_the_workspace_closes_when_told(slack: Workspace, signal: str) -> None:
    """SIGTERM and Ctrl-C end the process with status 0."""
    assert slack.end_by_signal(signal) == 0


def test_a_wrong_port_or_a_taken_one_is_said_in_one_line(slack: Workspace) -> None:
    """The workspace does not start, and the status says so."""
    taken = slack.url.rpartition(":")[2]
    for port, why in (
        (taken, "address already in use"),
        ("70000", "must be a port from 0 to 65535, not '70000'"),
    ):
        process = Process("fakeslack", "--port", port)
        assert process.wait_for_exit() == 2
        assert why in process.log_text


def test_a_workspace_may_start_in_http_mode() -> None:
    """With a request URL the app counts as there."""
    with Workspace("--request-url", "http://127.0.0.1:1/slack/events") as slack:
        ts = slack.post_message(ADA, GENERAL, "hi")
        assert slack.read_state()["app"]["connected"]
        assert slack.delivery_attempts(ts)[0]["event_type"] == "message"
