"""The Web API over HTTP: however a call is sent, whoever sends it, whatever goes wrong."""

import http.client
import json
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from testing.workspace import ADA, APP_TOKEN, BOT_TOKEN, GENERAL, PYTHON, Workspace, message_texts

Json = dict[str, Any]
BEARER = {"Authorization": f"Bearer {BOT_TOKEN}"}
FORM_CONTENT_TYPE = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    """One workspace for all tests here."""
    with Workspace() as workspace:
        yield workspace


@pytest.fixture
def client(workspace: Workspace) -> Iterator[WebClient]:
    """A client that repeats nothing by itself; the workspace has no faults and all scopes."""
    yield WebClient(token=BOT_TOKEN, base_url=workspace.api_url, retry_handlers=[], timeout=10)
    workspace.set_faults()
    workspace.send_control("app", with_scopes=["users:read"], revoked=False)
    workspace.send_control("limits", on=False)
    workspace.set_clock(speed=1.0)


def send_raw_call(
    workspace: Workspace,
    method: str,
    body: bytes | None = None,
    http_method: str = "POST",
    **headers: str,
) -> tuple[int, Json]:
    """Send a raw call; returns status and answer."""
    connection = http.client.HTTPConnection(workspace.url.removeprefix("http://"), timeout=10)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(http_method, f"/api/{method}", body, named)
    answer = connection.getresponse()
    found = json.load(answer)
    connection.close()
    return answer.status, found


def call_and_get_error(client: WebClient, method: str, **given: Any) -> Json:
    """Return the answer to a call that must be refused."""
    with pytest.raises(SlackApiError) as refusal:
        client.api_call(method, json=given)
    answer = refusal.value.response
    assert isinstance(answer.data, dict)
    return answer.data


def test_a_call_may_come_as_json_form_multipart_or_query(workspace: Workspace) -> None:
    """All four mean the same; blocks come as JSON inside a form."""
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
def test_a_call_that_cannot_be_read_or_trusted_is_refused(
    workspace: Workspace, body: bytes, kind: str, error: str
) -> None:
    """The refusal has status 200 and Slack's word; JSON carries no token."""
    status, answer = send_raw_call(workspace, "auth.test", body, Content_Type=kind)
    assert (status, answer["ok"], answer["error"]) == (200, False, error)


def test_the_token_decides_what_may_be_called(workspace: Workspace, client: WebClient) -> None:
    """A missing scope is named; the bot's token opens no socket; a revoked one does nothing."""
    workspace.send_control("app", without_scopes=["users:read"])
    answer = call_and_get_error(client, "users.info", user=ADA)
    assert (answer["error"], answer["needed"]) == ("missing_scope", "users:read")
    assert "chat:write" in answer["provided"]
    assert call_and_get_error(client, "apps.connections.open")["error"] == "not_allowed_token_type"
    assert call_and_get_error(client, "poems.write")["error"] == "unknown_method"
    workspace.send_control("app", revoked=True)
    assert call_and_get_error(client, "auth.test")["error"] == "token_revoked"


def test_auth_test_names_the_scopes(client: WebClient) -> None:
    """Bolt reads them from the header."""
    answer = client.auth_test()
    assert "chat:write" in answer.headers["x-oauth-scopes"].split(",")
    assert answer["team_id"] == "T0FAKE0001"


def test_the_journal_keeps_calls_without_tokens(workspace: Workspace, client: WebClient) -> None:
    """Each call is written down with its outcome, and with arguments that no method knows."""
    start = workspace.get_json("_control/calls")["next"]
    client.api_call("chat.postMessage", params={"channel": GENERAL, "text": "hi", "loud": "1"})
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


def test_the_journal_keeps_when_to_call_again(workspace: Workspace, client: WebClient) -> None:
    """What Slack has put off can be compared with when it was called next."""
    start = workspace.get_json("_control/calls")["next"]
    workspace.set_faults({"fault": "ratelimited", "retry_after": 7, "count": 1})
    call_and_get_error(client, "auth.test")
    client.auth_test()
    assert [call["retry_after"] for call in workspace.api_calls(start)] == ["7", None]


def test_the_control_tells_how_a_message_came_changed_and_went(
    workspace: Workspace, client: WebClient
) -> None:
    """Each version is kept with its time and with what it would ping; whispers are nobody's."""
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


def test_files_go_up_in_three_steps_and_come_down_with_the_token(
    workspace: Workspace, client: WebClient
) -> None:
    """The message with the file comes a moment after the answer; `files.info` knows where."""
    root = workspace.post_message(ADA, PYTHON, "show me")
    answer = client.files_upload_v2(
        filename="a.py", content="x = 1\n", title="one", channel=PYTHON, thread_ts=root,
        initial_comment="here", snippet_type="python",
    )  # fmt: skip
    workspace.wait_for_messages(lambda seen: "here" in message_texts(seen), PYTHON, root)
    shown = client.files_info(file=answer["file"]["id"])["file"]
    assert shown["shares"]["public"][PYTHON][0]["thread_ts"] == root
    message = workspace.read_messages(PYTHON, root)[-1]
    assert (message["subtype"], message["files"][0]["title"]) == ("file_share", "one")
    address = urllib.parse.urlsplit(shown["url_private_download"])
    for headers, body in ((BEARER, b"x = 1\n"), ({}, b"<!DOCTYPE html>")):
        connection = http.client.HTTPConnection(address.netloc, timeout=10)
        connection.request("GET", f"{address.path}?{address.query}", headers=headers)
        assert connection.getresponse().read().startswith(body)
        connection.close()


async def test_files_go_up_from_an_asyncio_client_too(workspace: Workspace) -> None:
    """The upload address takes what aiohttp sends; without a channel nothing is posted."""
    async with aiohttp.ClientSession() as session:
        client = AsyncWebClient(token=BOT_TOKEN, base_url=workspace.api_url, session=session)
        answer = await client.files_upload_v2(filename="a.txt", content="hello")
        found = await client.files_info(file=answer["file"]["id"])
    assert found["file"]["preview"] == "hello"
    assert found["file"]["shares"] == {}


def test_bytes_may_come_in_a_form(workspace: Workspace, client: WebClient) -> None:
    """The upload address takes the file in a form as well; nothing else passes for it."""
    for body, status in ((b"abc", 200), (b"", 400)):
        answer = client.files_getUploadURLExternal(filename="a.txt", length=3)
        part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        whole = part + body + b"\r\n--x--\r\n" if body else b"--x--\r\n"
        connection = http.client.HTTPConnection(workspace.url.removeprefix("http://"), timeout=10)
        path = urllib.parse.urlsplit(answer["upload_url"]).path
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        connection.request("POST", path, whole, kind)
        assert connection.getresponse().status == status
        connection.close()


def test_wrong_uploads_are_refused(workspace: Workspace, client: WebClient) -> None:
    """A length, a target and a thread must hold; a private file shows itself to no stranger."""
    assert call_and_get_error(client, "files.getUploadURLExternal", filename="a")["error"] == (
        "invalid_arguments"
    )
    long = {"filename": "a", "length": 1, "alt_txt": "a" * 1_001}
    assert (
        call_and_get_error(client, "files.getUploadURLExternal", **long)["error"]
        == "alt_txt_too_large"
    )
    complete = "files.completeUploadExternal"
    assert call_and_get_error(client, complete)["error"] == "invalid_arguments"
    gone = {"files": [{"id": "F9"}], "channel_id": GENERAL, "thread_ts": "1.000000"}
    assert call_and_get_error(client, complete, **gone)["error"] == "thread_not_found"
    assert call_and_get_error(client, complete, files=[{"id": "F9"}])["error"] == "file_not_found"
    den = workspace.send_control("create", name="den", members=[ADA], private=True)["channel"]
    file = workspace.send_control("file", user=ADA, channel=den, name="a.py", content="x")["file"]
    assert call_and_get_error(client, "files.info", file=file)["error"] == "file_not_found"


def test_a_person_shares_a_file(workspace: Workspace, client: WebClient) -> None:
    """A file in a message of a person is seen by the bot that is there."""
    made = workspace.send_control(
        "file", user=ADA, channel=GENERAL, name="a.py", content="x = 1", text="look"
    )
    found = client.files_info(file=made["file"])["file"]
    assert (found["user"], found["filetype"]) == (ADA, "python")
    assert found["shares"]["public"][GENERAL] == [{"ts": made["ts"]}]


FAULTS: list[tuple[Json, int | None, str]] = [
    ({"fault": "ratelimited", "retry_after": 7}, 429, "gone"),
    ({"fault": "ratelimited"}, 429, "gone"),
    ({"fault": "status", "status": 503}, 503, "gone"),
    ({"fault": "status_after", "status": 500}, 500, "there"),
    ({"fault": "error", "error": "fatal_error"}, 200, "gone"),
    ({"fault": "html"}, 200, "gone"),
    ({"fault": "truncated"}, 200, "there"),
    ({"fault": "drop_before"}, None, "gone"),
    ({"fault": "drop_after"}, None, "there"),
    ({"fault": "drop_after", "reset": False}, None, "there"),
    ({"fault": "slow", "seconds": 0.3}, 200, "there"),
    ({"fault": "slow_after", "seconds": 0.3}, 200, "there"),
]


@pytest.mark.parametrize(("rule", "status", "effect"), FAULTS, ids=range(len(FAULTS)))
def test_a_fault_strikes_once_and_leaves_the_effect_it_should(
    workspace: Workspace, client: WebClient, rule: Json, status: int | None, effect: str
) -> None:
    """Each fault shows on the wire, and the message is there or not as the fault says."""
    start = workspace.get_json("_control/calls")["next"]
    workspace.set_faults({**rule, "method": "chat.postMessage", "count": 1})
    text = f"fault {time.monotonic()}"
    began = time.monotonic()
    body = json.dumps({"channel": GENERAL, "text": text}).encode()
    connection = http.client.HTTPConnection(workspace.url.removeprefix("http://"), timeout=10)
    headers = {**BEARER, "Content-Type": "application/json"}
    connection.request("POST", "/api/chat.postMessage", body, headers)
    if status is None:
        with pytest.raises(ConnectionError):
            connection.getresponse()
    else:
        answer = connection.getresponse()
        assert answer.status == status
        expected = str(rule["retry_after"]) if "retry_after" in rule else None
        assert answer.getheader("Retry-After") == expected
    connection.close()
    assert time.monotonic() - began >= rule.get("seconds", 0)
    assert (text in message_texts(workspace.read_messages(GENERAL))) is (effect == "there")
    assert [made["fault"] for made in workspace.api_calls(start)] == [rule["fault"]]
    client.chat_postMessage(channel=GENERAL, text="works again")


def test_a_rule_that_makes_no_sense_is_refused(workspace: Workspace) -> None:
    """A typing error in a fault must not pass unseen."""
    wishes: list[Json] = [{"rules": [{"fault": "odd"}]}, {"rules": 3}, {"deliveries": []}]
    for wish in wishes:
        with pytest.raises(AssertionError, match="invalid_arguments"):
            workspace.post_json("_control/faults", wish)


def test_rate_limits_are_kept_on_demand(workspace: Workspace, client: WebClient) -> None:
    """The twenty-first start of a stream within a minute, and the fifth message at once, wait."""
    workspace.set_clock(speed=0.001)
    workspace.send_control("limits")
    for _ in range(4):
        client.chat_postMessage(channel=GENERAL, text="quick")
    with pytest.raises(SlackApiError) as refusal:
        client.chat_postMessage(channel=GENERAL, text="too quick")
    assert refusal.value.response.status_code == 429
    assert int(refusal.value.response.headers["Retry-After"]) == 1
    for _ in range(20):
        call_and_get_error(client, "chat.startStream", channel=GENERAL)
    with pytest.raises(SlackApiError, match="ratelimited"):
        client.api_call("chat.startStream", json={"channel": GENERAL})
    assert call_and_get_error(client, "poems.write")["error"] == "unknown_method"
