"""Front end of both baselines: a Bolt app as in Bolt's tutorial, which acknowledges first."""

import json
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient

from chaos.checker.collector import TOKEN_PATTERN

Enqueue = Callable[[str, str, str], None]
"""Enqueues a question: channel, thread, token."""


def serve_mentions(enqueue: Enqueue) -> None:
    """Enqueue every mention until SIGTERM."""
    client = WebClient(os.environ["SLACK_BOT_TOKEN"], base_url=os.environ["SLACK_API_URL"])
    app = App(client=client)

    @app.event("app_mention")
    def handle_mention(event: dict[str, Any]) -> None:
        found = TOKEN_PATTERN.search(event["text"])
        if found is not None:
            enqueue(event["channel"], event.get("thread_ts", event["ts"]), found.group())

    @app.event("message")
    def ignore_message() -> None:
        """Ignore the event; Bolt acknowledges it."""

    handler = SocketModeHandler(app, os.environ["SLACK_APP_TOKEN"])
    handler.connect()  # type: ignore[no-untyped-call]
    log_event("ready")
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    stopped.wait()
    handler.close()  # type: ignore[no-untyped-call]


def log_event(event: str, **fields: str) -> None:
    """Log one JSON line in the product's format."""
    print(json.dumps({"event": event, **fields}), flush=True)
