"""Web API server: request formats, tokens, scopes and the journal."""

import http.client
import json
import time
import urllib.parse
from typing import Any

import pytest
from slack_sdk import WebClient

from testing.workspace import ADA, APP_TOKEN, BOT_TOKEN, GENERAL, Workspace
from tests.fakeslack.web_api.conftest import call_and_get_error

Json = dict[str, Any]


BEARER = {"Authorization": f"Bearer {BOT_TOKEN}"}


FORM_CONTENT_TYPE = "application/x-www-form-urlencoded"


def send_raw_call(
    workspace: Workspace,
    method: str,
    body: bytes | None = None,
    http_method: str = "POST",
    **headers: str,
) -> tuple[int, Json]:
    """Send a raw call; return status and response."""
    connection = http.client.HTTPConnection(workspace.url.removeprefix("http://"), timeout=10)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(http_method, f"/api/{method}", body, named)
    answer = connection.getresponse()
    found = json.load(answer)
    connection.close()
    return answer.status, found


def test_a_call_can_be_json_form_multipart_or_query(workspace: Workspace) -> None:
    """All are equivalent; forms carry blocks as JSON."""
    given = {"channel": GENERAL, "text": "hi", "blocks": json.dumps([{"type": "divider"}])}
    form = urllib.parse.urlencode(given).encode()
    parts = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in given.items()
    )
    bearer = BEARER["Authorization"]
    sent = [
        send_raw_call(
            workspace,
            "chat.postMessage",
            json.dumps(given).encode(),
            Authorization=bearer,
            Content_Type="application/json; charset=utf-8",
        ),
        send_raw_call(
            workspace,
            "chat.postMessage",
            form,
            Authorization=bearer,
            Content_Type=FORM_CONTENT_TYPE,
        ),
        send_raw_call(
            workspace,
            "chat.postMessage",
            f"{parts}--x--\r\n".encode(),
            Authorization=bearer,
            Content_Type="multipart/form-data; boundary=x",
        ),
        send_raw_call(
            workspace, f"chat.postMessage?{form.decode()}", http_method="GET", Authorization=bearer
        ),
        send_raw_call(
            workspace,
            "chat.postMessage",
            form + f"&token={BOT_TOKEN}".encode(),
            Content_Type=FORM_CONTENT_TYPE,
        ),
    ]
    assert [answer["message"]["blocks"][0]["type"] for _, answer in sent] == ["divider"] * 5


@pytest.mark.parametrize(
    ("body", "kind", "error"),
    [
        (b"{", "application/json", "invalid_json"),
        (b"[]", "application/json", "json_not_object"),
        (b"a", "text/plain", "invalid_post_type"),
        (f'{{"token": "{BOT_TOKEN}"}}'.encode(), "application/json", "not_authed"),
        (b"token=xoxb-odd", FORM_CONTENT_TYPE, "invalid_auth"),
        (f"token={APP_TOKEN}".encode(), FORM_CONTENT_TYPE, "not_allowed_token_type"),
    ],
    ids=range(6),
)
def test_a_malformed_or_unauthorized_call_is_refused(
    workspace: Workspace, body: bytes, kind: str, error: str
) -> None:
    """The status is 200 with Slack's error; a token in a JSON body is ignored."""
    status, answer = send_raw_call(workspace, "auth.test", body, Content_Type=kind)
    assert (status, answer["ok"], answer["error"]) == (200, False, error)


def test_the_token_limits_the_methods(workspace: Workspace, client: WebClient) -> None:
    """Missing scopes, wrong token types and revoked tokens have distinct errors."""
    workspace.send_control("app", without_scopes=["users:read"])
    answer = call_and_get_error(client, "users.info", user=ADA)
    assert (answer["error"], answer["needed"]) == ("missing_scope", "users:read")
    assert "chat:write" in answer["provided"]
    assert call_and_get_error(client, "apps.connections.open")["error"] == "not_allowed_token_type"
    assert call_and_get_error(client, "poems.write")["error"] == "unknown_method"
    _, answer = send_raw_call(workspace, "api.test", b"foo=1", Content_Type=FORM_CONTENT_TYPE)
    assert answer == {"ok": True, "args": {"foo": "1"}}
    workspace.send_control("app", revoked=True)
    assert call_and_get_error(client, "auth.test")["error"] == "token_revoked"


def test_auth_test_returns_the_scopes(client: WebClient) -> None:
    """Bolt reads them from the header."""
    answer = client.auth_test()
    assert "chat:write" in answer.headers["x-oauth-scopes"].split(",")
    assert answer["team_id"] == "T0FAKE0001"


def test_the_journal_records_calls_without_tokens(workspace: Workspace, client: WebClient) -> None:
    """Each call is recorded with its outcome and its unknown arguments."""
    start = workspace.get_json("_control/calls")["next"]
    arguments = {"channel": GENERAL, "text": "hi", "team_id": "T0FAKE0001"}
    client.api_call("chat.postMessage", params={**arguments, "loud": "1"})
    call_and_get_error(client, "chat.postMessage", channel=GENERAL)
    good, bad = workspace.api_calls(start)
    assert (good["number"], good["ok"], good["error"], good["unknown"]) == (
        start,
        True,
        None,
        ["loud"],
    )
    assert (bad["ok"], bad["error"], bad["status"]) == (False, "no_text", 200)
    assert BOT_TOKEN not in json.dumps(workspace.api_calls(start))
    assert good["at"] <= bad["at"]


def test_the_journal_records_retry_after(workspace: Workspace, client: WebClient) -> None:
    """A test can compare it with the time of the next call."""
    start = workspace.get_json("_control/calls")["next"]
    workspace.set_faults({"fault": "ratelimited", "retry_after": 7, "count": 1})
    call_and_get_error(client, "auth.test")
    client.auth_test()
    assert [call["retry_after"] for call in workspace.api_calls(start)] == ["7", None]


def test_the_control_api_lists_a_messages_changes(workspace: Workspace, client: WebClient) -> None:
    """Each version has its time and its pings; ephemeral messages are omitted."""
    start = workspace.get_json("_control/changes")["next"]
    ts = str(client.chat_postMessage(channel=GENERAL, text="hi")["ts"])
    client.chat_postEphemeral(channel=GENERAL, user=ADA, text="psst")
    client.chat_update(channel=GENERAL, ts=ts, text="hi <!here>")
    client.chat_delete(channel=GENERAL, ts=ts)
    came, changed, went = workspace.message_changes(start)
    assert [seen["type"] for seen in (came, changed, went)] == [
        "message",
        "message_changed",
        "message_deleted",
    ]
    assert {seen["message"]["ts"] for seen in (came, changed, went)} == {ts}
    assert (came["message"]["pings"], changed["message"]["pings"]) == ([], ["<!here>"])
    assert (came["channel"], came["message"]["text"]) == (GENERAL, "hi")
    assert came["at"] < changed["at"] < went["at"] < time.monotonic()
