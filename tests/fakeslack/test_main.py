"""Command line: signals, ports and HTTP mode."""

from collections.abc import Iterator

import pytest

from testing.processes import Process
from testing.workspace import ADA, GENERAL, Workspace


@pytest.fixture
def slack() -> Iterator[Workspace]:
    """A workspace whose acknowledgement timeout suits a busy machine."""
    with Workspace("--ack-seconds", "30") as workspace:
        yield workspace


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT"])
def test_a_signal_ends_the_process_with_status_0(slack: Workspace, signal: str) -> None:
    """SIGTERM and Ctrl-C shut the workspace down."""
    assert slack.end_by_signal(signal) == 0


def test_an_invalid_or_used_port_exits_with_2(slack: Workspace) -> None:
    """The error is one line."""
    taken = slack.url.rpartition(":")[2]
    for port, why in (
        (taken, "address already in use"),
        ("70000", "must be a port from 0 to 65535, not '70000'"),
    ):
        process = Process("fakeslack", "--port", port)
        assert process.wait_for_exit() == 2
        assert why in process.log_text


def test_request_url_starts_http_mode() -> None:
    """With a request URL, the app counts as connected."""
    with Workspace("--request-url", "http://127.0.0.1:1/slack/events") as slack:
        ts = slack.post_message(ADA, GENERAL, "hi")
        assert slack.read_state()["app"]["connected"]
        assert slack.delivery_attempts(ts)[0]["event_type"] == "message"
