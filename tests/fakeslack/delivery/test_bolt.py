"""A real Bolt app lives in the workspace as it would in Slack."""

from collections.abc import Iterator
from typing import Any

import pytest
from slack_bolt import App
from slack_sdk import WebClient

from testing.bolt_app import run_bolt_app
from testing.processes import Process
from testing.workspace import ADA, GENERAL, STARCHAT, Workspace, message_texts


@pytest.fixture
def slack() -> Iterator[Workspace]:
    """A workspace that waits for acknowledgements as long as a busy machine may need."""
    with Workspace("--ack-seconds", "30") as workspace:
        yield workspace


def test_a_bolt_app_replies_to_a_mention_and_edits_its_reply(slack: Workspace) -> None:
    """A mention reaches Bolt over a socket; its reply and the edit of it stand in the thread."""

    def add_listeners(app: App) -> None:
        @app.event("app_mention")
        def answer_mention(event: dict[str, Any], client: WebClient) -> None:
            channel, thread_ts = event["channel"], event["ts"]
            posted = client.chat_postMessage(channel=channel, thread_ts=thread_ts, text="…")
            client.chat_update(channel=channel, ts=posted["ts"], text="A lock.")

        @app.event("message")
        def ignore_message() -> None:
            """Acknowledge."""

    with run_bolt_app(slack, add_listeners):
        question = slack.post_message(ADA, GENERAL, "@StarChat what is a mutex?")
        thread = slack.wait_for_messages(
            lambda seen: "A lock." in message_texts(seen), GENERAL, question
        )

    assert message_texts(thread) == [f"<@{STARCHAT}> what is a mutex?", "A lock."]
    assert thread[0]["reply_count"] == 1
    assert thread[1]["bot_id"] == "B0STARCHAT"
    assert [call["method"] for call in slack.api_calls()] == [
        "auth.test",
        "apps.connections.open",
        "chat.postMessage",
        "chat.update",
    ]


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
