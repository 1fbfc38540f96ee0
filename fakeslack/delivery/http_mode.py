"""HTTP mode: the same deliveries, signed, to the app's request URL."""

import hashlib
import hmac
import json
import ssl
import time
import urllib.parse
from collections.abc import Callable

import aiohttp

from fakeslack.delivery.transport import Parcel, UndeliveredError
from fakeslack.errors import Json, SlackError

REDIRECTS = 2


class RequestUrl:
    """The app's request URL."""

    connected = True

    def __init__(self, url: str, secret: str, today: Callable[[], float] = time.time) -> None:
        """Deliver to `url`, signed with `secret`; `today` gives seconds since the epoch."""
        self.url = url
        self._secret = secret
        self._today = today
        self._session: aiohttp.ClientSession | None = None

    async def verify(self, challenge: str) -> None:
        """Check that the app answers the challenge; closes and raises where it does not."""
        parcel = Parcel("url_verification", {"type": "url_verification", "challenge": challenge})
        try:
            answer = await self._sent(parcel, 3.0)
        except UndeliveredError:
            answer = ""
        if challenge not in answer:
            await self.close()
            raise SlackError("url_verification_failed")

    async def carry(self, parcel: Parcel, within: float) -> Json:
        """Post a parcel and return what the app answers."""
        answer = await self._sent(parcel, within)
        try:
            body = json.loads(answer)
        except ValueError:
            return {"text": answer} if answer and parcel.answers else {}
        return body if isinstance(body, dict) else {}

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _sent(self, parcel: Parcel, within: float) -> str:
        session = self._session or aiohttp.ClientSession()
        self._session = session
        body, kind = _body(parcel)
        headers = {"Content-Type": kind, **self._signature(body), **_repeated(parcel)}
        try:
            async with session.post(
                self.url,
                data=body,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=within),
                max_redirects=REDIRECTS,
            ) as answer:
                final = answer.headers.get("X-Slack-No-Retry") == "1"
                if not answer.ok:
                    raise UndeliveredError("http_error", final=final)
                return await answer.text()
        except (aiohttp.ClientError, TimeoutError) as why:
            raise UndeliveredError(_reason(why)) from None

    def _signature(self, body: bytes) -> dict[str, str]:
        when = str(int(self._today()))
        whole = b"v0:" + when.encode() + b":" + body
        digest = hmac.new(self._secret.encode(), whole, hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": when, "X-Slack-Signature": f"v0={digest}"}


def _body(parcel: Parcel) -> tuple[bytes, str]:
    form = "application/x-www-form-urlencoded"
    if parcel.kind == "interactive":
        return urllib.parse.urlencode({"payload": json.dumps(parcel.payload)}).encode(), form
    if parcel.kind == "slash_commands":
        return urllib.parse.urlencode(parcel.payload).encode(), form
    return json.dumps(parcel.payload).encode(), "application/json"


def _repeated(parcel: Parcel) -> dict[str, str]:
    if parcel.attempt == 0:
        return {}
    return {
        "X-Slack-Retry-Num": str(parcel.attempt),
        "X-Slack-Retry-Reason": parcel.reason,
    }


def _reason(why: Exception) -> str:
    match why:
        case TimeoutError():
            return "http_timeout"
        case aiohttp.TooManyRedirects():
            return "too_many_redirects"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return "ssl_error"
        case aiohttp.ClientConnectionError():
            return "connection_failed"
    return "unknown_error"
