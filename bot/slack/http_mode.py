"""Receives by HTTP: checks Slack's signature first, then does what Socket Mode would do."""

import threading
from typing import Final

import structlog
from slack_bolt import App, BoltRequest, BoltResponse
from slack_sdk.signature import SignatureVerifier

from bot.slack.clock import SlackClock
from bot.slack.http_server import Answer, Request, Server

log = structlog.get_logger()

PATH: Final = "/slack/events"
FORBIDDEN: Final = Answer(401, b"not signed by Slack\n")


class HttpMode:
    """Serves events, actions and commands on one path."""

    def __init__(self, app: App, secret: str, port: int, clock: SlackClock) -> None:
        """Bind the port. Raises `OSError` if it cannot be had."""
        self._app = app
        # Slack dates what it signs: a machine whose clock is off would refuse all of it.
        self._verifier = SignatureVerifier(secret, clock)
        self._server = Server(port, {PATH: self.receive}, name="slack")

    def start(self, _: threading.Event) -> None:
        """Begin to answer."""
        self._server.start()

    def connected(self) -> bool:
        """Say whether Slack can reach us now, as far as we can see."""
        return self._server.serves()

    def close(self, _: float) -> None:
        """Finish the requests that are being answered, and end."""
        self._server.close()

    def receive(self, request: Request) -> Answer:
        """Answer a request as Bolt does, if Slack has signed it."""
        if request.method != "POST" or not self._signed(request):
            return FORBIDDEN
        asked = BoltRequest(body=request.body.decode(), headers={**request.headers}, mode="http")
        return _answer(self._app.dispatch(asked))

    def _signed(self, request: Request) -> bool:
        # The verifier raises on hostile requests: times beyond all clocks, letters beyond ASCII,
        # bodies that are no text.
        try:
            return self._verifier.is_valid_request(request.body, dict(request.headers))
        except (ValueError, OverflowError, TypeError, UnicodeError):
            return False


def _answer(response: BoltResponse) -> Answer:
    headers = {name: values[0] for name, values in response.headers.items() if values}
    return Answer(response.status, (response.body or "").encode(), headers)
