"""Proxy of the bot: Web API, response addresses and sockets take the same way."""

import base64
import json
import logging
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from pydantic import SecretStr
from slack_bolt import App

from bot.metrics import Metrics
from bot.settings import Settings
from bot.slack.client import create_client
from bot.slack.poster import Poster
from bot.slack.socket_mode import SocketMode
from testing.http_proxy import HttpProxy
from testing.polling import poll_until
from testing.processes import Process, free_port
from testing.redis_server import RedisServer
from testing.workspace import BOT_TOKEN, Workspace

SOCKET_HOST = "wss-primary.slack.invalid"


@pytest.fixture
def proxy() -> Iterator[HttpProxy]:
    """A proxy for one test."""
    with HttpProxy() as running:
        yield running


def create_settings(api_url: str) -> Settings:
    """Return the settings of a bot."""
    return Settings(
        slack_bot_token=SecretStr(BOT_TOKEN),
        slack_app_token=SecretStr("xapp-1"),
        slack_api_url=api_url,
    )


@pytest.fixture
def socket_api() -> Iterator[str]:
    """A Web API that names a socket behind the proxy."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.dumps({"ok": True, "url": f"wss://{SOCKET_HOST}/link/?ticket=1"}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/api/"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("excluded", ["", "127.0.0.0/8"])
def test_calls_follow_the_proxy_rules(
    monkeypatch: pytest.MonkeyPatch, workspace: Workspace, proxy: HttpProxy, excluded: str
) -> None:
    """A response address is called by another client of the SDK, but under the same rules."""
    monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//ada:secret@"))
    monkeypatch.setenv("NO_PROXY", excluded)
    client = create_client(create_settings(workspace.api_url))
    client.auth_test()
    Poster(client).delete_original(f"{workspace.url}/response/none")
    assert proxy.targets == ([] if excluded else ["/api/auth.test", "/response/none"])
    encoded = base64.b64encode(b"ada:secret").decode()
    assert proxy.credentials == (set() if excluded else {f"Basic {encoded}"})


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_socket_uses_the_proxy(
    monkeypatch: pytest.MonkeyPatch,
    read_logs: Callable[[], str],
    proxy: HttpProxy,
    socket_api: str,
) -> None:
    """
    The proxy resolves the socket's host; a refusal is logged without the password.

    The SDK leaves a refused socket to the garbage collector, which warns.
    """
    monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//ada:secret@"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    logging.getLogger().setLevel(logging.WARNING)  # the bot's level for libraries
    client = create_client(create_settings(socket_api))
    app = App(client=client, token_verification_enabled=False)
    sockets = SocketMode(app, lambda: "xapp-1", Metrics())
    stop = threading.Event()
    connecting = threading.Thread(target=sockets.start_receiving, args=(stop,))
    connecting.start()
    try:
        poll_until(lambda: f"{SOCKET_HOST}:443" in proxy.targets, description="the tunnel")
    finally:
        stop.set()
        connecting.join()
        sockets.stop_receiving(5)
    encoded = base64.b64encode(b"ada:secret").decode()
    assert proxy.credentials == {f"Basic {encoded}"}
    logs = read_logs()
    assert "502" in logs
    assert "secret" not in logs
    assert encoded not in logs


@pytest.mark.parametrize("excluded", ["", "127.0.0.1"])
def test_bot_connects_beside_a_proxy(
    server: RedisServer, workspace: Workspace, proxy: HttpProxy, excluded: str
) -> None:
    """With an excluded address, the bot does not need the proxy at all."""
    address = f"http://127.0.0.1:{free_port()}" if excluded else proxy.url
    variables = {"HTTPS_PROXY": address, "NO_PROXY": excluded}
    with Process("bot", REDIS_URL=server.url, **workspace.environment, **variables) as bot:
        bot.wait_for_event("ready")
    assert ("/api/apps.connections.open" in proxy.targets) is not bool(excluded)
