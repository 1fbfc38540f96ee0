"""HTTP mode: signed deliveries to the app's request URL."""

import hashlib
import hmac
import json
import ssl
import time
import urllib.parse
from collections.abc import Callable

import aiohttp

from fakeslack.delivery.transport import Envelope, UndeliveredError
from fakeslack.errors import Json, SlackError

MAX_REDIRECTS = 2


class HttpTransport:
    """Transport by HTTP POST to the app's request URL."""

    has_connection = True

    def __init__(
        self, url: str, secret: str, epoch_seconds: Callable[[], float] = time.time
    ) -> None:
        """Deliver to `url`, signed with `secret` and dated by `epoch_seconds`."""
        self.url = url
        self._secret = secret
        self._epoch_seconds = epoch_seconds
        self._session: aiohttp.ClientSession | None = None

    async def verify_url(self, challenge: str) -> None:
        """Send the URL challenge. Raises `url_verification_failed` if the app does not echo it."""
        envelope = Envelope(
            "url_verification", {"type": "url_verification", "challenge": challenge}
        )
        try:
            _, answer = await self._post_envelope(envelope, 3.0)
        except UndeliveredError:
            answer = ""
        if challenge not in answer:
            await self.close_session()
            raise SlackError("url_verification_failed")

    async def deliver(self, envelope: Envelope, timeout_seconds: float) -> Json:
        """Post an envelope and return the payload of the app's response, JSON if it says so."""
        content_type, answer = await self._post_envelope(envelope, timeout_seconds)
        try:
            body = json.loads(answer if content_type == "application/json" else "")
        except ValueError:
            return {"text": answer} if answer and envelope.accepts_response_payload else {}
        return body if isinstance(body, dict) else {}

    async def close_session(self) -> None:
        """Close the HTTP connections."""
        if self._session is not None:
            await self._session.close()

    async def _post_envelope(self, envelope: Envelope, timeout_seconds: float) -> tuple[str, str]:
        session = self._session or aiohttp.ClientSession()
        self._session = session
        body, content_type = _encode_body(envelope)
        headers = {
            "Content-Type": content_type,
            **self._sign_body(body),
            **_retry_headers(envelope),
        }
        try:
            async with session.post(
                self.url,
                data=body,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=timeout_seconds),
                max_redirects=MAX_REDIRECTS,
            ) as response:
                no_retry = response.headers.get("X-Slack-No-Retry") == "1"
                if not response.ok:
                    raise UndeliveredError("http_error", no_retry=no_retry)
                return response.content_type, await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UndeliveredError(_failure_reason(error)) from None

    def _sign_body(self, body: bytes) -> dict[str, str]:
        timestamp = str(int(self._epoch_seconds()))
        signed_bytes = b"v0:" + timestamp.encode() + b":" + body
        digest = hmac.new(self._secret.encode(), signed_bytes, hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": f"v0={digest}"}


def _encode_body(envelope: Envelope) -> tuple[bytes, str]:
    form_content_type = "application/x-www-form-urlencoded"
    if envelope.kind == "interactive":
        return urllib.parse.urlencode(
            {"payload": json.dumps(envelope.payload)}
        ).encode(), form_content_type
    if envelope.kind == "slash_commands":
        return urllib.parse.urlencode(envelope.payload).encode(), form_content_type
    return json.dumps(envelope.payload).encode(), "application/json"


def _retry_headers(envelope: Envelope) -> dict[str, str]:
    if envelope.attempt == 0:
        return {}
    return {
        "X-Slack-Retry-Num": str(envelope.attempt),
        "X-Slack-Retry-Reason": envelope.retry_reason,
    }


def _failure_reason(error: Exception) -> str:
    match error:
        case TimeoutError():
            return "http_timeout"
        case aiohttp.TooManyRedirects():
            return "too_many_redirects"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return "ssl_error"
        case aiohttp.ClientConnectionError():
            return "connection_failed"
    return "unknown_error"
