"""Signed requests to a bot in HTTP mode, for tests."""

import hashlib
import hmac
import http.client
import json
import time
import urllib.parse
from dataclasses import dataclass
from typing import Any

from testing.slack_events import (
    CHANNEL,
)
from testing.workspace import ADA

Json = dict[str, Any]

SECRET = "fakeslack"


@dataclass(frozen=True)
class BotPort:
    """Ports of a bot in HTTP mode."""

    port: int
    health: int

    def send_raw(
        self,
        content: bytes,
        *,
        method: str = "POST",
        path: str = "/slack/events",
        **headers: str,
    ) -> tuple[int, bytes]:
        """Send a request with exactly these headers; return status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, content, named)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def send_signed(
        self, event: Json, *, age: float = 0.0, secret: str = SECRET, **headers: str
    ) -> tuple[int, bytes]:
        """Send a body with Slack's signature."""
        content = json.dumps(event).encode()
        return self.send_raw(content, **sign_headers(content, age=age, secret=secret), **headers)


def sign_headers(
    content: bytes, *, age: float = 0.0, secret: str = SECRET, kind: str = "application/json"
) -> dict[str, str]:
    """Return the headers of Slack's signature."""
    when = str(int(time.time() - age))
    digest = hmac.new(secret.encode(), f"v0:{when}:".encode() + content, hashlib.sha256)
    return {
        "Content_Type": kind,
        "X_Slack_Request_Timestamp": when,
        "X_Slack_Signature": f"v0={digest.hexdigest()}",
    }


def slash_command(text: str) -> bytes:
    """Return a slash command as Slack sends it."""
    fields = {"command": "/starchat", "text": text, "team_id": "T0FAKE0001"}
    return urllib.parse.urlencode(fields | {"channel_id": CHANNEL, "user_id": ADA}).encode()
