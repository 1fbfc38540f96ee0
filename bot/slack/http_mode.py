"""Receives by HTTP: checks Slack's signature first, then does what Socket Mode would do."""

import threading
from typing import Final

import structlog
from slack_bolt import App, BoltRequest, BoltResponse
from slack_sdk.signature import SignatureVerifier

from bot.slack.clock import SlackClock
from bot.slack.http_server import HttpServer, Request, Response

log = structlog.get_logger()

EVENTS_PATH: Final = "/slack/events"
UNSIGNED_RESPONSE: Final = Response(401, b"not signed by Slack\n")


class HttpMode:
    """Serves events, actions and commands on one path."""

    def __init__(self, app: App, secret: str, port: int, clock: SlackClock) -> None:
        """Bind the port. Raises `OSError` if it cannot be had."""
        self._app = app
        # Slack dates what it signs: a machine whose clock is off would refuse all of it.
        self._verifier = SignatureVerifier(secret, clock)
        self._server = HttpServer(port, {EVENTS_PATH: self.handle_request}, name="slack")

    def start_receiving(self, _: threading.Event) -> None:
        """Begin to answer."""
        self._server.start_thread()

    def has_connection(self) -> bool:
        """Say whether Slack can reach us now, as far as we can see."""
        return self._server.is_serving()

    def stop_receiving(self, _: float) -> None:
        """Finish the requests that are being answered, and end."""
        self._server.close_server()

    def handle_request(self, request: Request) -> Response:
        """Answer a request as Bolt does, if Slack has signed it."""
        if request.method != "POST" or not self._has_valid_signature(request):
            return UNSIGNED_RESPONSE
        bolt_request = BoltRequest(
            body=request.body.decode(), headers={**request.headers}, mode="http"
        )
        return _to_response(self._app.dispatch(bolt_request))

    def _has_valid_signature(self, request: Request) -> bool:
        # The verifier raises on hostile requests: times beyond all clocks, letters beyond ASCII,
        # bodies that are no text.
        try:
            return self._verifier.is_valid_request(request.body, dict(request.headers))
        except (ValueError, OverflowError, TypeError, UnicodeError):
            return False


def _to_response(response: BoltResponse) -> Response:
    headers = {name: values[0] for name, values in response.headers.items() if values}
    return Response(response.status, (response.body or "").encode(), headers)
