"""Socket Mode: sockets that Slack has closed are given up, also while it takes no new ones."""

import threading
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from slack_bolt import App

from bot.metrics import Metrics
from bot.settings import Settings
from bot.slack import socket_mode
from bot.slack.client import create_client
from bot.slack.socket_mode import CONNECT_METHOD, CONNECTIONS, SocketMode
from testing.polling import poll_until
from testing.workspace import APP_TOKEN, BOT_TOKEN, Workspace


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch, workspace: Workspace) -> Iterator[SocketMode]:
    """Two open connections, in which the SDK notices no closed socket by itself."""
    monkeypatch.setattr(socket_mode, "PING_INTERVAL_SECONDS", 3600.0)
    settings = Settings(
        slack_bot_token=SecretStr(BOT_TOKEN),
        slack_app_token=SecretStr(APP_TOKEN),
        slack_api_url=workspace.api_url,
    )
    app = App(client=create_client(settings), token_verification_enabled=False)
    sockets = SocketMode(app, lambda: APP_TOKEN, Metrics())
    sockets.start_receiving(threading.Event())
    yield sockets
    workspace.set_faults()
    sockets.stop_receiving(5)


def test_every_dead_socket_is_closed_while_slack_refuses_new_ones(
    workspace: Workspace, sockets: SocketMode
) -> None:
    """A reader of the SDK would take half a core on each of them."""
    workspace.set_faults({"fault": "status", "method": CONNECT_METHOD, "status": 503})
    assert workspace.control_sockets("drop") == CONNECTIONS
    poll_until(lambda: not sockets.has_connection(), description="both sockets are given up")
    workspace.set_faults()
    poll_until(sockets.has_connection, description="new sockets")
