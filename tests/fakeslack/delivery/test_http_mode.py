"""HTTP mode: signed deliveries to the app's request URL."""

import asyncio
import json
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from slack_bolt import App, BoltRequest
from slack_sdk import WebClient
from slack_sdk.signature import SignatureVerifier

from fakeslack.delivery.http_mode import HttpTransport
from fakeslack.delivery.transport import Envelope, UndeliveredError
from fakeslack.errors import SlackError
from testing.workspace import ADA, BOT_TOKEN, GENERAL, Workspace, message_texts

SECRET = "fakeslack"
EVENT = Envelope("events_api", {"type": "event_callback", "event": {"type": "message"}})
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serve_app(handler: Handler) -> AsyncIterator[HttpTransport]:
    """Serve an app with this handler; yield the transport to it."""
    application = web.Application()
    application.router.add_post("/slack/events", handler)
    async with TestServer(application) as server:
        transport = HttpTransport(str(server.make_url("/slack/events")), SECRET)
        try:
            yield transport
        finally:
            await transport.close_session()


async def test_deliveries_are_signed_and_carry_retry_headers() -> None:
    """The signature matches the body; retries carry Slack's two headers."""
    seen: list[tuple[dict[str, str], str]] = []

    async def keep_request(request: web.Request) -> web.Response:
        seen.append((dict(request.headers), await request.text()))
        return web.json_response({"text": "thanks"})

    async with serve_app(keep_request) as url:
        assert await url.deliver(EVENT, 3) == {"text": "thanks"}
        await url.deliver(EVENT.next_attempt("http_timeout"), 3)
        assert url.has_connection
    verifier = SignatureVerifier(SECRET)
    for headers, body in seen:
        assert verifier.is_valid_request(body, headers)
        assert json.loads(body) == EVENT.payload
    assert "X-Slack-Retry-Num" not in seen[0][0]
    assert seen[1][0]["X-Slack-Retry-Num"] == "1"
    assert seen[1][0]["X-Slack-Retry-Reason"] == "http_timeout"


async def test_interactions_and_commands_are_sent_as_forms() -> None:
    """An interaction is JSON in one field, a command is plain fields."""
    seen: list[dict[str, list[str]]] = []

    async def keep_request(request: web.Request) -> web.Response:
        seen.append(urllib.parse.parse_qs(await request.text()))
        return web.Response(text="done")

    async with serve_app(keep_request) as url:
        assert await url.deliver(Envelope("interactive", {"type": "block_actions"}), 3) == {}
        command = Envelope("slash_commands", {"command": "/starchat", "text": "help"})
        assert await url.deliver(command, 3) == {"text": "done"}
    assert json.loads(seen[0]["payload"][0]) == {"type": "block_actions"}
    assert seen[1] == {"command": ["/starchat"], "text": ["help"]}


@pytest.mark.parametrize(
    ("status", "headers", "final"),
    [(500, {}, False), (404, {"X-Slack-No-Retry": "1"}, True)],
)
async def test_an_error_is_retried_unless_x_slack_no_retry_is_set(
    status: int, headers: dict[str, str], final: object
) -> None:
    """Any status but 2xx is a failure; the header ends the retries."""

    async def refuse_request(_request: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers)

    async with serve_app(refuse_request) as url:
        with pytest.raises(UndeliveredError) as why:
            await url.deliver(EVENT, 3)
    assert (why.value.reason, why.value.no_retry) == ("http_error", final)


async def test_each_failure_has_slacks_retry_reason() -> None:
    """Timeouts, redirect loops, closed ports and TLS errors have distinct reasons."""

    async def sleep_too_long(request: web.Request) -> web.Response:
        await request.read()
        raise web.HTTPTemporaryRedirect(request.path)

    async with serve_app(sleep_too_long) as url:
        with pytest.raises(UndeliveredError, match="too_many_redirects"):
            await url.deliver(EVENT, 3)
        with pytest.raises(UndeliveredError, match="http_timeout"):
            await url.deliver(EVENT, 0.000_001)
        plain = url.url
        strange = HttpTransport(plain.replace("http:", "https:"), SECRET)
        for address, reason in (
            (strange.url, "ssl_error"),
            ("http://127.0.0.1:1/", "connection_failed"),
            ("ftp://127.0.0.1/", "unknown_error"),
        ):
            other = HttpTransport(address, SECRET)
            with pytest.raises(UndeliveredError, match=reason):
                await other.deliver(EVENT, 3)
            await other.close_session()
        await strange.close_session()


async def test_a_request_url_must_echo_the_challenge() -> None:
    """Slack verifies a new request URL before it uses it."""

    async def answer_challenge(request: web.Request) -> web.Response:
        asked = await request.json()
        return web.json_response({"challenge": asked["challenge"]})

    async def ignore_challenge(_request: web.Request) -> web.Response:
        return web.json_response(["what?"])

    async with serve_app(answer_challenge) as url:
        await url.verify_url("abc")
    async with serve_app(ignore_challenge) as url:
        assert await url.deliver(EVENT, 3) == {}
        with pytest.raises(SlackError, match="url_verification_failed"):
            await url.verify_url("abc")
    with pytest.raises(SlackError, match="url_verification_failed"):
        await HttpTransport("http://127.0.0.1:1/", SECRET).verify_url("abc")


@pytest.fixture
def slack() -> Iterator[Workspace]:
    """A workspace whose acknowledgement timeout suits a busy machine."""
    with Workspace("--ack-seconds", "30") as workspace:
        yield workspace


async def test_a_bolt_app_replies_over_http(slack: Workspace) -> None:
    """Bolt verifies the signature, echoes the challenge and receives the mention."""
    app = App(client=WebClient(token=BOT_TOKEN, base_url=slack.api_url), signing_secret=SECRET)

    @app.event("app_mention")
    def answer_mention(event: dict[str, Any], client: WebClient) -> None:
        client.chat_postMessage(channel=event["channel"], thread_ts=event["ts"], text="here")

    @app.event("message")
    def ignore_message() -> None:
        """Acknowledge."""

    async def serve_request(request: web.Request) -> web.Response:
        headers: dict[str, str | Sequence[str]] = dict(request.headers)
        bolt = app.dispatch(BoltRequest(body=await request.text(), headers=headers))
        return web.Response(status=bolt.status, text=bolt.body)

    async with serve_app(serve_request) as url:
        await asyncio.to_thread(slack.send_control, "request_url", url=url.url)
        question = await asyncio.to_thread(slack.post_message, ADA, GENERAL, "@StarChat hi")
        await asyncio.to_thread(
            slack.wait_for_messages, lambda seen: "here" in message_texts(seen), GENERAL, question
        )
        assert slack.read_state()["app"]["connected"]
        with pytest.raises(AssertionError, match="url_verification_failed"):
            await asyncio.to_thread(slack.send_control, "request_url", url="http://127.0.0.1:1/")
