"""
Receives by Socket Mode: two connections that are mended when they break, and a clean end.

Two, because Slack sends each request to any one of them: while one is replaced the other goes on.
"""

import select
import threading
from typing import Any, Final

import structlog
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk.socket_mode.builtin import SocketModeClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest

from bot.health import Metrics
from bot.slack.client import REFUSED, pause, reason, refusal
from bot.slack.errors import SLACK_AWAY
from contract.settings import SettingsError
from contract.thread_pool import start_all_threads

log = structlog.get_logger()

CONNECTIONS: Final = 2
THREADS: Final = 8
"""Requests of one connection that are dealt with at once: some read a thread from Slack first."""
PING: Final = 5.0
"""Seconds between signs of life; the client takes a socket for dead after four of them."""
BUFFER: Final = 64 * 1024
"""Bytes read at once. The client calls itself for every piece of a request, so few is better."""
LOOK: Final = 0.5
"""Seconds between looks at the sockets: the client itself needs half a minute to see an end."""
HUNG_UP: Final = select.POLLRDHUP | select.POLLHUP | select.POLLERR | select.POLLNVAL


class _Gate:
    """Lets requests in until it is shut, and knows when the last of them is done."""

    def __init__(self) -> None:
        self._busy = 0
        self._shut = False
        self._changed = threading.Condition()

    def enter(self) -> bool:
        with self._changed:
            self._busy += not self._shut
            return not self._shut

    def leave(self) -> None:
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()

    def shut(self, within: float) -> None:
        with self._changed:
            self._shut = True
            self._changed.wait_for(lambda: self._busy == 0, timeout=within)


class _Connection:
    """One connection of the SDK, with an eye on its socket."""

    def __init__(self, app: App, token: str, gate: _Gate, metrics: Metrics) -> None:
        self._handler = SocketModeHandler(
            app, token, ping_interval=PING, concurrency=THREADS, receive_buffer_size=BUFFER
        )
        self.client: SocketModeClient = self._handler.client
        start_all_threads(self.client.message_workers, THREADS)
        self.client.socket_mode_request_listeners[:] = [self._take]
        self.client.message_listeners.append(self._hear)
        self._gate = gate
        self._metrics = metrics

    def mend(self) -> bool:
        """Open the connection again if the other end has closed it; say whether it is open."""
        session = self.client.current_session
        if session is not None and session.sock is not None and _hung_up(session.sock):
            log.info("disconnected")
            session.disconnect()
        if not self.client.is_connected():
            self.client.connect_to_new_endpoint()
        return self.client.is_connected()

    def _take(self, _: BaseSocketModeClient, request: SocketModeRequest) -> None:
        # What is not acknowledged Slack sends to another bot, or to us when we are back.
        if not self._gate.enter():
            return
        try:
            self._handler.handle(self.client, request)
        finally:
            self._gate.leave()

    def _hear(self, _: BaseSocketModeClient, message: dict[str, Any], __: str | None) -> None:
        if message.get("type") == "hello":
            self._metrics.connected()
            log.info("connected")


class SocketMode:
    """Connections to Slack that are kept open."""

    def __init__(self, app: App, token: str, metrics: Metrics) -> None:
        self._gate = _Gate()
        self._connections = [
            _Connection(app, token, self._gate, metrics) for _ in range(CONNECTIONS)
        ]
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._mend, name="sockets", daemon=True)

    def start(self, stop: threading.Event) -> None:
        """
        Connect, again and again until it works or `stop` comes.

        Raises `SettingsError` if Slack refuses the token.
        """
        tries = 0
        while not stop.is_set():
            why = self._opened()
            if why in REFUSED:
                raise SettingsError(refusal("SLACK_APP_TOKEN", why))
            if not why:
                self._watch.start()
                return
            log.warning("slack not reached", why=why)
            tries += 1
            stop.wait(pause(tries))

    def connected(self) -> bool:
        """Say whether Slack can reach us now."""
        return any(connection.client.is_connected() for connection in self._connections)

    def close(self, within: float) -> None:
        """Take nothing new, acknowledge what was taken, and close the sockets."""
        self._ended.set()
        self._gate.shut(within)
        if self._watch.ident is not None:
            self._watch.join(within)
        # The client may wait for a thread of its own that still reads: nobody waits for that.
        closing = [threading.Thread(target=c.client.close, daemon=True) for c in self._connections]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join(within)

    def _mend(self) -> None:
        tries = 0
        while not self._ended.wait(pause(tries) if tries else LOOK):
            why = self._opened()
            tries = tries + 1 if why else 0
            if why:
                log.warning("slack not reached", why=why)

    def _opened(self) -> str:
        """Open what is not open; return why that did not work, or nothing."""
        try:
            opened = [connection.mend() for connection in self._connections]
        except SLACK_AWAY as error:
            return reason(error)
        except Exception as error:
            # One of this process's nets: what the system denies us now it may give us later.
            log.exception("not connected")
            return type(error).__name__
        return "" if all(opened) else "closed"


def _hung_up(socket: Any) -> bool:
    """Say whether the other end has closed a socket; nothing is read from it."""
    look = select.poll()
    try:
        look.register(socket, HUNG_UP)
    except ValueError:
        # Closed by us in this moment: it has no number any more.
        return True
    return bool(look.poll(0))
