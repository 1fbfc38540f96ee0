"""Bolt app over Socket Mode: a mention is answered and the reply is edited."""

from collections.abc import Iterator
from typing import Any

import pytest
from slack_bolt import App
from slack_sdk import WebClient

from testing.bolt_app import run_bolt_app
from testing.workspace import ADA, GENERAL, STARCHAT, Workspace, message_texts


@pytest.fixture
def slack() -> Iterator[Workspace]:
    """A workspace whose acknowledgement timeout suits a busy machine."""
    with Workspace("--ack-seconds", "30") as workspace:
        yield workspace


def test_a_bolt_app_replies_to_a_mention_and_edits_its_reply(slack: Workspace) -> None:
    """A mention reaches Bolt over a socket; the thread shows the reply and its edit."""

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
