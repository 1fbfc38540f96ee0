"""HTTP receiver: verifies Slack's signature, then hands the request to the Bolt app."""

import threading
from typing import Final

from slack_bolt import App, BoltRequest, BoltResponse
from slack_sdk.signature import SignatureVerifier

from bot.slack.client import SlackClock
from bot.slack.delivery_gaps import DeliveryGaps
from bot.slack.http_server import HttpServer, Request, Response
from contract.progress_watch import ProgressWatch

EVENTS_PATH: Final = "/slack/events"
REQUEST_THREADS: Final = 16
UNSIGNED_RESPONSE: Final = Response(401, b"not signed by Slack\n")


class HttpMode:
    """Receiver of events, actions and commands on one path."""

    def __init__(self, app: App, secret: str, port: int, clock: SlackClock) -> None:
        """Bind the port. Raises `OSError` if it is not free."""
        self._app = app
        # Slack dates what it signs: by a machine's skewed clock, every request would look replayed.
        self._verifier = SignatureVerifier(secret, clock)
        self._clock = clock
        self.watch = ProgressWatch()
        self.gaps = DeliveryGaps()
        self._server = HttpServer(
            port,
            {EVENTS_PATH: self.handle_request},
            name="slack",
            threads_per_route=REQUEST_THREADS,
        )

    def start_receiving(self, _: threading.Event) -> None:
        """Start to serve requests."""
        self.gaps.start_at(self._clock.now())
        self._server.start_thread()

    @property
    def refusal(self) -> str | None:
        """No error: HTTP mode has no connection that Slack could refuse."""
        return None

    def has_connection(self) -> bool:
        """Return whether the server runs; HTTP shows no more about Slack."""
        return self._server.is_serving()

    def stop_receiving(self, grace_seconds: float) -> None:
        """Finish the requests in progress within `grace_seconds`, and close the port."""
        self._server.close_server(grace_seconds)

    def handle_request(self, request: Request) -> Response:
        """Dispatch a request to Bolt if Slack has signed it; else answer 401."""
        if request.method != "POST" or not self._has_valid_signature(request):
            return UNSIGNED_RESPONSE
        retry = request.headers.get("x-slack-retry-num", "0")
        self.gaps.note_delivery(self._clock.now(), is_retry=retry != "0")
        bolt_request = BoltRequest(
            body=request.body.decode(), headers={**request.headers}, mode="http"
        )
        with self.watch.watch_work():
            return _to_response(self._app.dispatch(bolt_request))

    def _has_valid_signature(self, request: Request) -> bool:
        # The verifier raises on hostile requests: huge timestamps, headers beyond ASCII, bodies
        # that are not UTF-8.
        try:
            return self._verifier.is_valid_request(request.body, dict(request.headers))
        except (ValueError, OverflowError, TypeError, UnicodeError):
            return False


def _to_response(response: BoltResponse) -> Response:
    headers = {name: values[0] for name, values in response.headers.items() if values}
    return Response(response.status, (response.body or "").encode(), headers)
