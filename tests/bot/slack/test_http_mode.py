"""HTTP mode: same effects as Socket Mode, for signed requests only."""

import json
import threading
import time
import urllib.parse
from email.utils import formatdate
from typing import Any

import pytest
from redis import Redis
from slack_bolt import App

from bot import texts
from bot.slack.client import SlackClock
from bot.slack.delivery_gaps import MIN_GAP_SECONDS
from bot.slack.http_mode import HttpMode
from bot.slack.http_server import Request
from testing.polling import poll_until
from testing.queue_inspector import find_job, job_turns, pending_job_ids
from testing.slack_events import (
    CHANNEL,
    make_body,
    make_message,
    message_ts,
)
from testing.workspace import ADA, GENERAL, Workspace
from tests.bot.slack.signed_requests import SECRET, BotPort, sign_headers, slash_command

Json = dict[str, Any]


def test_url_verification_returns_challenge(port: BotPort) -> None:
    """Slack's URL verification gets its challenge back."""
    status, answer = port.send_signed({"type": "url_verification", "challenge": "3eZbrw1a"})

    assert (status, json.loads(answer)) == (200, {"challenge": "3eZbrw1a"})


def test_mention_over_http_becomes_job(port: BotPort, workspace: Workspace, redis: Redis) -> None:
    """The job exists before the acknowledgement."""
    workspace.send_control("request_url", url=f"http://127.0.0.1:{port.port}/slack/events")
    posted = workspace.post_message(ADA, GENERAL, "@StarChat what is a mutex?")
    poll_until(lambda: all(e["acked_at"] for e in workspace.delivery_attempts(posted)) or None)

    assert job_turns(redis, GENERAL, posted) == [(None, "what is a mutex?")]
    assert len(pending_job_ids(redis)) == 1


def test_signed_event_is_accepted(port: BotPort, redis: Redis) -> None:
    """An event with a valid signature is acknowledged."""
    assert port.send_signed(make_body(make_message(1)))[0] == 200
    assert find_job(redis, CHANNEL, message_ts(1)) is not None


HOSTILE: list[dict[str, str]] = [
    {},
    {"X_Slack_Request_Timestamp": "abc"},
    {"X_Slack_Request_Timestamp": "1e3"},
    {"X_Slack_Request_Timestamp": "9" * 400},
    {"X_Slack_Request_Timestamp": ""},
    {"X_Slack_Signature": ""},
    {"X_Slack_Signature": "v0=" + "0" * 64},
    {"X_Slack_Signature": "v1="},
    {"X_Slack_Signature": "v0=\u00e9\u00fc"},
]


@pytest.mark.parametrize("headers", HOSTILE, ids=str)
def test_unsigned_request_is_refused(port: BotPort, redis: Redis, headers: dict[str, str]) -> None:
    """Forged, malformed and missing signatures get 401 and have no effect."""
    content = json.dumps(make_body(make_message(1))).encode()
    whole = sign_headers(content) | headers if headers else {}

    assert port.send_raw(content, **whole)[0] == 401
    assert pending_job_ids(redis) == []


@pytest.mark.parametrize("age", [400, -400])
def test_replayed_request_is_refused(port: BotPort, redis: Redis, age: float) -> None:
    """A recorded request cannot be sent again later."""
    assert port.send_signed(make_body(make_message(1)), age=age)[0] == 401
    assert port.send_signed(make_body(make_message(1)), secret="another")[0] == 401
    assert pending_job_ids(redis) == []


def test_changed_body_is_refused(port: BotPort, redis: Redis) -> None:
    """A signature is valid for one body."""
    content = json.dumps(make_body(make_message(1))).encode()

    assert port.send_raw(content + b" ", **sign_headers(content))[0] == 401
    assert port.send_raw(b"\xff\xfe", **sign_headers(b"\xff\xfe"))[0] in {400, 401}
    assert pending_job_ids(redis) == []


def test_malformed_signed_body_is_harmless(port: BotPort) -> None:
    """A malformed body with a valid signature has no effect."""
    for content in (b"", b"null", b"[]", b'"text"', b"{"):
        assert port.send_raw(content, **sign_headers(content))[0] in {200, 400, 404, 500}
    assert port.send_signed(make_body(make_message(1)))[0] == 200


def test_other_paths_and_methods_are_refused(port: BotPort) -> None:
    """The port serves Slack's requests alone."""
    assert port.send_raw(b"", method="GET")[0] == 401
    assert port.send_raw(b"", method="GET", path="/")[0] == 404
    assert port.send_raw(b"", method="PUT")[0] == 405


def test_oversized_request_is_refused(port: BotPort) -> None:
    """A body above the limit is not read."""
    assert port.send_raw(b"", Content_Length=str(2**21))[0] == 413
    assert port.send_raw(b"", Content_Length="many")[0] == 400


def test_external_person_is_refused_by_ephemeral_message(
    port: BotPort, workspace: Workspace, redis: Redis
) -> None:
    """Only the external person sees the refusal."""
    start = len(workspace.api_calls())
    external = make_body(make_message(1, user_team="T0OTHER001"), is_ext_shared_channel=True)

    assert port.send_signed(external)[0] == 200
    assert port.send_signed(external)[0] == 200
    whispers = poll_until(
        lambda: workspace.api_calls(start, "chat.postEphemeral"), description="an ephemeral message"
    )
    assert whispers[0]["args"]["text"] == str(texts.MEMBERS_ONLY)
    assert whispers[0]["args"]["user"] == ADA
    assert len(workspace.api_calls(start, "chat.postEphemeral")) == 1
    assert pending_job_ids(redis) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Mention me"),
        ("help", "Mention me"),
        ("status", "No worker is running"),
        ("forget", "no copy of a thread"),
    ],
)
def test_slash_command_gets_ephemeral_reply(
    port: BotPort, redis: Redis, text: str, said: str
) -> None:
    """Only the author of `/starchat` sees the reply."""
    content = slash_command(text)
    kind = "application/x-www-form-urlencoded"
    status, answer = port.send_raw(content, **sign_headers(content, kind=kind))
    found = json.loads(answer)

    assert status == 200
    assert found["response_type"] == "ephemeral"
    assert said in found["text"]


def test_unknown_button_is_acknowledged(port: BotPort) -> None:
    """Slack shows no error for an unknown action."""
    for kind in ("block_actions", "view_submission", "message_action", "shortcut"):
        payload = {"type": kind, "team": {"id": "T0FAKE0001"}, "user": {"id": ADA}}
        content = urllib.parse.urlencode({"payload": json.dumps(payload)}).encode()
        form = "application/x-www-form-urlencoded"
        assert port.send_raw(content, **sign_headers(content, kind=form))[0] == 200


def test_bot_is_ready_while_port_is_served(port: BotPort, redis: Redis) -> None:
    """In HTTP mode, readiness needs the server and Redis."""
    redis.ping()

    assert BotPort(port.health, port.health).send_raw(b"", method="GET", path="/readyz")[0] == 200


def test_retry_after_a_silence_tells_of_a_gap() -> None:
    """Slack could not reach a bot that ran; the silence began with the bot."""
    clock = SlackClock()
    app = App(token="xoxb-1", token_verification_enabled=False)
    mode = HttpMode(app, SECRET, 0, clock)
    started_at = clock.now()
    mode.start_receiving(threading.Event())
    clock.sync({"Date": formatdate(time.time() + 2 * MIN_GAP_SECONDS, usegmt=True)})
    content = json.dumps(make_body(make_message(1))).encode()
    signed = sign_headers(content, age=-2 * MIN_GAP_SECONDS) | {"X_Slack_Retry_Num": "1"}
    headers = {name.replace("_", "-").lower(): value for name, value in signed.items()}
    mode.handle_request(Request("POST", headers, content))
    mode.stop_receiving(1)

    since = mode.gaps.find_gap()
    assert since is not None
    assert 0 <= since - started_at < MIN_GAP_SECONDS
