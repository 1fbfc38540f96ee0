"""Bolt app with a test's listeners, connected to a workspace as the product's bot is."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient

from testing.workspace import APP_TOKEN, BOT_TOKEN, Workspace

CLOSE_TIMEOUT_SECONDS = 10.0
"""Maximum wait for the Socket Mode client to close."""


@contextmanager
def run_bolt_app(workspace: Workspace, register_listeners: Callable[[App], None]) -> Iterator[App]:
    """Run a Bolt app with these listeners, connected by Socket Mode."""
    app = App(client=WebClient(token=BOT_TOKEN, base_url=workspace.api_url))
    register_listeners(app)
    handler = SocketModeHandler(app, APP_TOKEN)
    handler.connect()  # type: ignore[no-untyped-call]
    workspace.wait_until_connected()
    try:
        yield app
    finally:
        # The client may wait for a reader thread: the test does not.
        close_thread = threading.Thread(target=handler.close, daemon=True)
        close_thread.start()
        close_thread.join(CLOSE_TIMEOUT_SECONDS)
        workspace.wait_until(lambda: not workspace.read_state()["app"]["connected"])
