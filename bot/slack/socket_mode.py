"""
Socket Mode receiver with two connections, reconnects and a clean shutdown.

Slack sends each request over any open connection: with two, one can be replaced without a gap.
The SDK's client runs each connection, as in Bolt's `SocketModeHandler`. This module adds what they
lack: a proxy by the socket's own address, a check for closed sockets twice a second, and a shutdown
that acknowledges what was received.
"""

import select
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from slack_bolt import App
from slack_bolt.adapter.socket_mode.internals import run_bolt_app, send_response
from slack_sdk.socket_mode.builtin import SocketModeClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest

from bot.metrics import Metrics
from bot.slack.client import CALL_ERRORS, error_name, retry_delay
from contract.progress_watch import ProgressWatch
from contract.proxies import find_proxy, split_credentials
from contract.settings import SettingsError
from contract.slack_errors import TOKEN_ERRORS, describe_rejected_token, is_app_error
from contract.thread_pool import start_all_threads

log = structlog.get_logger()

CONNECTIONS: Final = 2
CONNECT_METHOD: Final = "apps.connections.open"
REQUEST_THREADS: Final = 8
"""Concurrent requests of one connection; some read a thread from Slack first."""
PING_INTERVAL_SECONDS: Final = 5.0
"""Seconds between pings; the client gives a socket up after four without an answer."""
RECEIVE_BUFFER_BYTES: Final = 64 * 1024
"""Bytes of one read. The client recurses for each piece of a request: few pieces are better."""
SOCKET_CHECK_INTERVAL_SECONDS: Final = 0.5
"""Seconds between two checks of the sockets; the client alone notices an end after 30 s."""
HANGUP_EVENTS: Final = select.POLLRDHUP | select.POLLHUP | select.POLLERR | select.POLLNVAL


class _RequestGate:
    """Admits requests until it is closed, then waits for the last one to finish."""

    def __init__(self) -> None:
        self._num_requests = 0
        self._is_closed = False
        self._changed = threading.Condition()
        self.watch = ProgressWatch()

    def try_enter(self) -> bool:
        with self._changed:
            if self._is_closed:
                return False
            self._num_requests += 1
            self.watch.start_work()
            return True

    def leave_gate(self) -> None:
        self.watch.end_work()
        with self._changed:
            self._num_requests -= 1
            self._changed.notify_all()

    def close_and_wait(self, timeout: float) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.wait_for(lambda: self._num_requests == 0, timeout=timeout)


class ProxiedSocketClient(SocketModeClient):
    """The SDK's client, with the proxy that each socket's address needs."""

    def issue_new_wss_url(self) -> str:
        """Return the address of a new socket, and choose its proxy."""
        url = super().issue_new_wss_url()
        # Without its credentials: the SDK logs the address of a proxy that refuses a connection.
        self.proxy, self.proxy_headers = split_credentials(find_proxy(url) or "")
        self.proxy = self.proxy or None
        return url


class _Connection:
    """Connection of the SDK that reconnects if Slack has closed its socket."""

    def __init__(self, app: App, token: str, gate: _RequestGate, metrics: Metrics) -> None:
        self.client = ProxiedSocketClient(
            token,
            logger=app.logger,
            web_client=app.client,
            ping_interval=PING_INTERVAL_SECONDS,
            concurrency=REQUEST_THREADS,
            receive_buffer_size=RECEIVE_BUFFER_BYTES,
        )
        start_all_threads(self.client.message_workers, REQUEST_THREADS)
        self.client.socket_mode_request_listeners.append(self._handle_request)
        self._app = app
        self.client.message_listeners.append(self._handle_message)
        self._gate = gate
        self._metrics = metrics

    def disconnect_if_closed(self) -> None:
        """Close the socket if Slack has: the SDK's reader spins on it for up to 25 s."""
        session = self.client.current_session
        if session is not None and session.sock is not None and _is_closed_by_peer(session.sock):
            log.info("disconnected")
            session.disconnect()

    def connect_if_closed(self) -> bool:
        """Connect if there is no socket; return whether the connection is open."""
        if not self.client.is_connected():
            self.client.connect_to_new_endpoint()
        return self.client.is_connected()

    def _handle_request(self, _: BaseSocketModeClient, request: SocketModeRequest) -> None:
        # Slack sends a request without an acknowledgement to another bot, or again to this one.
        if not self._gate.try_enter():
            return
        try:
            started_at = time.time()
            send_response(self.client, request, run_bolt_app(self._app, request), started_at)
        finally:
            self._gate.leave_gate()

    def _handle_message(
        self, _: BaseSocketModeClient, message: dict[str, Any], __: str | None
    ) -> None:
        if message.get("type") == "hello":
            self._metrics.count_connection()
            log.info("connected")


class SocketMode:
    """Two Socket Mode connections that stay open until the bot stops."""

    def __init__(self, app: App, read_token: Callable[[], str], metrics: Metrics) -> None:
        """`read_token` returns the current app-level token, also after its file was replaced."""
        self._gate = _RequestGate()
        self._read_token = read_token
        self._connections = [
            _Connection(app, read_token(), self._gate, metrics) for _ in range(CONNECTIONS)
        ]
        self.refusal: str | None = None
        """Slack's error name if it refuses the app-level token."""
        self.watch = self._gate.watch
        self._stopped = threading.Event()
        self._watcher = threading.Thread(
            target=self._watch_connections, name="sockets", daemon=True
        )

    def start_receiving(self, stop: threading.Event) -> None:
        """
        Connect; retry until it succeeds or `stop` is set.

        Raises `SettingsError` if Slack rejects the token.
        """
        tries = 0
        while not stop.is_set():
            why = self._check_connections()
            if why in TOKEN_ERRORS:
                raise SettingsError(describe_rejected_token("SLACK_APP_TOKEN", why))
            if not why:
                self._watcher.start()
                return
            log.warning("slack not reached", why=why)
            tries += 1
            stop.wait(retry_delay(tries))

    def has_connection(self) -> bool:
        """Return whether Slack can reach the bot now."""
        return any(connection.client.is_connected() for connection in self._connections)

    def stop_receiving(self, timeout: float) -> None:
        """Refuse new requests, acknowledge those in progress within `timeout` s, and disconnect."""
        self._stopped.set()
        self._gate.close_and_wait(timeout)
        if self._watcher.ident is not None:
            self._watcher.join(timeout)
        # `close` may block on the client's reader thread, so it runs on a daemon thread.
        closing = [threading.Thread(target=c.client.close, daemon=True) for c in self._connections]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join(timeout)

    def _watch_connections(self) -> None:
        tries, next_try_at = 0, 0.0
        while not self._stopped.wait(SOCKET_CHECK_INTERVAL_SECONDS):
            may_connect = time.monotonic() >= next_try_at
            why = self._check_connections(may_connect=may_connect)
            if may_connect:
                tries = tries + 1 if why else 0
                next_try_at = time.monotonic() + retry_delay(tries) if tries else 0.0
            if why:
                log.warning("slack not reached", why=why)

    def _check_connections(self, *, may_connect: bool = True) -> str:
        """
        Close dead sockets and, if `may_connect`, open new ones.

        Return the reason if that failed, else an empty string.
        """
        try:
            # All of them first: an error of one connection must not leave another one's reader.
            for connection in self._connections:
                connection.disconnect_if_closed()
            if not may_connect:
                return ""
            opened = [connection.connect_if_closed() for connection in self._connections]
        except CALL_ERRORS as error:
            name = error_name(error)
            self.refusal = name if is_app_error(CONNECT_METHOD, name) else None
            if self.refusal is not None:
                for connection in self._connections:
                    connection.client.app_token = self._read_token()
            return name
        except Exception as error:
            # Safety net of the socket thread: a lack of sockets or memory may pass.
            log.exception("not connected")
            return type(error).__name__
        self.refusal = None
        return "" if all(opened) else "closed"


def _is_closed_by_peer(socket: Any) -> bool:
    """Return whether the peer has closed a socket, without reading from it."""
    poller = select.poll()
    try:
        poller.register(socket, HANGUP_EVENTS)
    except ValueError:
        # This process has just closed it: it has no descriptor any more.
        return True
    return bool(poller.poll(0))
