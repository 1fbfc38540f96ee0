"""Receives by Socket Mode: connects for as long as it takes, and ends without losing an answer."""

import threading
from typing import Any, Final

import structlog
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.builtin import SocketModeClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest

from bot.health import Metrics
from bot.slack import PAUSES, REFUSED, refusal
from contract.settings import SettingsError

log = structlog.get_logger()

THREADS: Final = 32
"""Requests that are dealt with at once: some of them read a thread from Slack first."""
PING: Final = 5.0
"""Seconds between signs of life; the client takes a socket for dead after four of them."""


class SocketMode:
    """One Socket Mode connection that is kept open."""

    def __init__(self, app: App, token: str, metrics: Metrics) -> None:
        self._handler = SocketModeHandler(app, token, ping_interval=PING, concurrency=THREADS)
        self._client: SocketModeClient = self._handler.client
        self._client.socket_mode_request_listeners[:] = [self._take]
        self._client.message_listeners.append(self._hear)
        self._metrics = metrics
        self._busy = 0
        self._ending = False
        self._idle = threading.Condition()

    def start(self, stop: threading.Event) -> None:
        """
        Connect, again and again until it works or `stop` comes.

        Raises `SettingsError` if Slack refuses the token.
        """
        tries = 0
        while not stop.is_set():
            try:
                self._client.connect()
            except SlackApiError as error:
                why = str(error.response.get("error"))
                if why in REFUSED:
                    raise SettingsError(refusal("SLACK_APP_TOKEN", why)) from None
            except OSError as error:
                why = type(error).__name__
            else:
                return
            log.warning("slack not reached", why=why)
            stop.wait(PAUSES[min(tries, len(PAUSES) - 1)])
            tries += 1

    def connected(self) -> bool:
        """Say whether Slack can reach us now."""
        return bool(self._client.is_connected())

    def close(self, within: float) -> None:
        """Take nothing new, acknowledge what was taken, and close the socket."""
        with self._idle:
            self._ending = True
            self._idle.wait_for(lambda: self._busy == 0, timeout=within)
        self._client.close()

    def _take(self, _: BaseSocketModeClient, request: SocketModeRequest) -> None:
        with self._idle:
            if self._ending:
                # Not acknowledged: Slack sends it to another bot, or to us when we are back.
                return
            self._busy += 1
        try:
            self._handler.handle(self._client, request)
        finally:
            with self._idle:
                self._busy -= 1
                self._idle.notify_all()

    def _hear(self, _: BaseSocketModeClient, message: dict[str, Any], __: str | None) -> None:
        if message.get("type") == "hello":
            self._metrics.connected()
            log.info("connected")
