"""HTTP mode: same effects as Socket Mode, for signed requests only."""

import hashlib
import hmac
import http.client
import json
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from redis import Redis

from bot import texts
from bot.store.client import connect_redis
from contract import keys
from contract.texts import QUESTION_TOO_LONG
from testing.polling import poll_until
from testing.processes import Process, free_port
from testing.queue_inspector import find_job, job_turns, pending_job_ids
from testing.redis_server import RedisServer
from testing.slack_events import (
    BOT_IDENTITY,
    CHANNEL,
    MENTION,
    make_body,
    make_message,
    make_reply,
    message_ts,
)
from testing.workspace import ADA, GENERAL, Workspace

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


@pytest.fixture(scope="module")
def port(server: RedisServer, workspace: Workspace) -> Iterator[BotPort]:
    """Run the bot in HTTP mode; it declines people of other workspaces, as by default."""
    port, health = free_port(), free_port()
    ports = {"PORT": str(port), "HEALTH_PORT": str(health)}
    variables = workspace.environment | {"SLACK_SIGNING_SECRET": SECRET} | ports
    del variables["SLACK_APP_TOKEN"]
    with Process("bot", REDIS_URL=server.url, **variables) as process:
        assert process.wait_for_event("ready")["mode"] == "HttpMode"
        with connect_redis(server.url) as redis:
            poll_until(
                lambda: redis.exists(keys.connection_window(BOT_IDENTITY.team)),
                description="the first note",
            )
        yield BotPort(port, health)
        assert process.stop_process() == 0


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
    assert port.send_raw(b"", method="PUT")[0] == 501


def test_oversized_request_is_refused(port: BotPort) -> None:
    """A body above the limit is not read."""
    assert port.send_raw(b"", Content_Length=str(2**21))[0] == 413
    assert port.send_raw(b"", Content_Length="many")[0] == 411


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
    assert whispers[0]["args"]["text"] == texts.MEMBERS_ONLY
    assert whispers[0]["args"]["user"] == ADA
    assert len(workspace.api_calls(start, "chat.postEphemeral")) == 1
    assert pending_job_ids(redis) == []


def slash_command(text: str) -> bytes:
    """Return a slash command as Slack sends it."""
    fields = {"command": "/starchat", "text": text, "team_id": "T0FAKE0001"}
    return urllib.parse.urlencode(fields | {"channel_id": CHANNEL, "user_id": ADA}).encode()


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


def test_too_long_question_is_refused(port: BotPort, workspace: Workspace, redis: Redis) -> None:
    """A question above the job's size limit gets a notice and is not truncated."""
    start = len(workspace.api_calls())

    assert port.send_signed(make_body(make_message(1, f"{MENTION} " + "x" * 300_000)))[0] == 200
    said = poll_until(
        lambda: workspace.api_calls(start, "chat.postMessage"), description="a notice"
    )
    assert said[0]["args"]["text"] == QUESTION_TOO_LONG
    assert pending_job_ids(redis) == []


def test_redelivered_root_is_not_cached_as_complete(port: BotPort, redis: Redis) -> None:
    """The next question reads the thread, which may have missed replies, from Slack."""
    assert port.send_signed(make_body(make_message(1)), X_Slack_Retry_Num="1")[0] == 200
    assert find_job(redis, CHANNEL, message_ts(1)) is not None
    assert not redis.exists(keys.thread_cache(BOT_IDENTITY.team, CHANNEL, message_ts(1)))
    assert redis.exists(keys.thread_mode(BOT_IDENTITY.team, CHANNEL, message_ts(1)))


def test_redelivery_of_enqueued_mention_follows_thread(port: BotPort, redis: Redis) -> None:
    """A redelivery follows the thread if the bot died after it enqueued the job."""
    assert port.send_signed(make_body(make_message(1)))[0] == 200
    redis.delete(keys.thread_mode(BOT_IDENTITY.team, CHANNEL, message_ts(1)))
    assert port.send_signed(make_body(make_message(1)), X_Slack_Retry_Num="2")[0] == 200

    assert redis.get(keys.thread_mode(BOT_IDENTITY.team, CHANNEL, message_ts(1))) == b"auto"


def test_unknown_thread_mode_is_ignored(port: BotPort, redis: Redis) -> None:
    """A mode of another version counts as no mode."""
    redis.set(keys.thread_mode(BOT_IDENTITY.team, CHANNEL, message_ts(1)), "whisper")

    assert (
        port.send_signed(make_body(make_message(2, "and in Rust?", thread_ts=message_ts(1))))[0]
        == 200
    )
    assert pending_job_ids(redis) == []


@pytest.mark.parametrize(
    "whole",
    [
        {"type": "app_rate_limited", "team_id": "T0FAKE0001"},
        make_body({"type": "message"}),
        make_body({"type": "message", "subtype": "message_changed", "message": {}}),
        make_body({"type": "reaction_added", "user": ADA}),
        make_body(
            {
                "type": "message",
                "subtype": "message_changed",
                "ts": message_ts(9),
                "message": make_reply(3, "grows", state="growing", thread_ts=message_ts(1)),
            }
        ),
        {"type": "event_callback"},
    ],
)
def test_unused_events_are_acknowledged(port: BotPort, redis: Redis, whole: Json) -> None:
    """Events that the bot does not use are acknowledged."""
    assert port.send_signed(whole)[0] == 200
    assert redis.keys("*") == [keys.REDIS_SENTINEL.encode()]


def test_slash_forget_without_channel_deletes_nothing(port: BotPort) -> None:
    """Without a valid team and channel, the command deletes nothing."""
    content = b"command=/starchat&text=forget&team_id=*&channel_id=*"
    kind = "application/x-www-form-urlencoded"
    status, answer = port.send_raw(content, **sign_headers(content, kind=kind))

    assert status == 200
    assert "Mention me" in json.loads(answer)["text"]


def test_lone_surrogate_in_question_is_replaced(port: BotPort, redis: Redis) -> None:
    """A lone surrogate in a JSON body reaches the job as a question mark."""
    assert port.send_signed(make_body(make_message(1, f"{MENTION} a\ud800b")))[0] == 200
    assert job_turns(redis, CHANNEL, message_ts(1)) == [(None, "a?b")]
