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
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def town() -> Iterator[Workspace]:
    """One workspace for all tests here."""
    with Workspace() as workspace:
        yield workspace


@pytest.fixture
def client(town: Workspace) -> Iterator[WebClient]:
    """A client that repeats nothing by itself; the workspace has no faults and all scopes."""
    yield WebClient(token=BOT_TOKEN, base_url=town.api_url, retry_handlers=[], timeout=10)
    town.set_faults()
    town.send_control("app", with_scopes=["users:read"], revoked=False)
    town.send_control("limits", on=False)
    town.set_clock(speed=1.0)


def call(
    town: Workspace, method: str, body: bytes | None = None, verb: str = "POST", **headers: str
) -> tuple[int, Json]:
    """Send a raw call; returns status and answer."""
    connection = http.client.HTTPConnection(town.url.removeprefix("http://"), timeout=10)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(verb, f"/api/{method}", body, named)
    answer = connection.getresponse()
    found = json.load(answer)
    connection.close()
    return answer.status, found


def refused(client: WebClient, method: str, **given: Any) -> Json:
    """Return the answer to a call that must be refused."""
    with pytest.raises(SlackApiError) as refusal:
        client.api_call(method, json=given)
    answer = refusal.value.response
    assert isinstance(answer.data, dict)
    return answer.data


def test_a_call_may_come_as_json_form_multipart_or_query(town: Workspace) -> None:
    """All four mean the same; blocks come as JSON inside a form."""
    given = {"channel": GENERAL, "text": "hi", "blocks": json.dumps([{"type": "divider"}])}
    form = urllib.parse.urlencode(given).encode()
    parts = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in given.items()
    )
    bearer = BEARER["Authorization"]
    sent = [
        call(town, "chat.postMessage", json.dumps(given).encode(), Authorization=bearer,
             Content_Type="application/json; charset=utf-8"),
        call(town, "chat.postMessage", form, Authorization=bearer, Content_Type=FORM),
        call(town, "chat.postMessage", f"{parts}--x--\r\n".encode(), Authorization=bearer,
             Content_Type="multipart/form-data; boundary=x"),
        call(town, f"chat.postMessage?{form.decode()}", verb="GET", Authorization=bearer),
        call(town, "chat.postMessage", form + f"&token={BOT_TOKEN}".encode(), Content_Type=FORM),
    ]  # fmt: skip
    assert [answer["message"]["blocks"][0]["type"] for _, answer in sent] == ["divider"] * 5


@pytest.mark.parametrize(
    ("body", "kind", "error"),
    [
        (b"{", "application/json", "invalid_json"),
        (b"[]", "application/json", "json_not_object"),
        (b"a", "text/plain", "invalid_post_type"),
        (f'{{"token": "{BOT_TOKEN}"}}'.encode(), "application/json", "not_authed"),
        (b"token=xoxb-odd", FORM, "invalid_auth"),
        (f"token={APP_TOKEN}".encode(), FORM, "not_allowed_token_type"),
    ],
    ids=range(6),
)
def test_a_call_that_cannot_be_read_or_trusted_is_refused(
    town: Workspace, body: bytes, kind: str, error: str
) -> None:
    """The refusal has status 200 and Slack's word; JSON carries no token."""
    status, answer = call(town, "auth.test", body, Content_Type=kind)
    assert (status, answer["ok"], answer["error"]) == (200, False, error)


def test_the_token_decides_what_may_be_called(town: Workspace, client: WebClient) -> None:
    """A missing scope is named; the bot's token opens no socket; a revoked one does nothing."""
    town.send_control("app", without_scopes=["users:read"])
    answer = refused(client, "users.info", user=ADA)
    assert (answer["error"], answer["needed"]) == ("missing_scope", "users:read")
    assert "chat:write" in answer["provided"]
    assert refused(client, "apps.connections.open")["error"] == "not_allowed_token_type"
    assert refused(client, "poems.write")["error"] == "unknown_method"
    town.send_control("app", revoked=True)
    assert refused(client, "auth.test")["error"] == "token_revoked"


def test_auth_test_names_the_scopes(client: WebClient) -> None:
    """Bolt reads them from the header."""
    answer = client.auth_test()
    assert "chat:write" in answer.headers["x-oauth-scopes"].split(",")
    assert answer["team_id"] == "T0FAKE0001"


def test_the_journal_keeps_calls_without_tokens(town: Workspace, client: WebClient) -> None:
    """Each call is written down with its outcome, and with arguments that no method knows."""
    start = town.get_json("_control/calls")["next"]
    client.api_call("chat.postMessage", params={"channel": GENERAL, "text": "hi", "loud": "1"})
    refused(client, "chat.postMessage", channel=GENERAL)
    good, bad = town.api_calls(start)
    assert (good["n"], good["ok"], good["error"], good["unknown"]) == (start, True, None, ["loud"])
    assert (bad["ok"], bad["error"], bad["status"]) == (False, "no_text", 200)
    assert BOT_TOKEN not in json.dumps(town.api_calls(start))
    assert good["at"] <= bad["at"]


def test_the_journal_keeps_when_to_call_again(town: Workspace, client: WebClient) -> None:
    """What Slack has put off can be compared with when it was called next."""
    start = town.get_json("_control/calls")["next"]
    town.set_faults({"fault": "ratelimited", "retry_after": 7, "count": 1})
    refused(client, "auth.test")
    client.auth_test()
    assert [call["retry_after"] for call in town.api_calls(start)] == ["7", None]


def test_the_control_tells_how_a_message_came_changed_and_went(
    town: Workspace, client: WebClient
) -> None:
    """Each version is kept with its time and with what it would ping; whispers are nobody's."""
    start = town.get_json("_control/changes")["next"]
    ts = str(client.chat_postMessage(channel=GENERAL, text="hi")["ts"])
    client.chat_postEphemeral(channel=GENERAL, user=ADA, text="psst")
    client.chat_update(channel=GENERAL, ts=ts, text="hi <!here>")
    client.chat_delete(channel=GENERAL, ts=ts)
    came, changed, went = town.message_changes(start)
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
    town: Workspace, client: WebClient
) -> None:
    """The message with the file comes a moment after the answer; `files.info` knows where."""
    root = town.post_message(ADA, PYTHON, "show me")
    answer = client.files_upload_v2(
        filename="a.py", content="x = 1\n", title="one", channel=PYTHON, thread_ts=root,
        initial_comment="here", snippet_type="python",
    )  # fmt: skip
    town.wait_for_messages(lambda seen: "here" in message_texts(seen), PYTHON, root)
    shown = client.files_info(file=answer["file"]["id"])["file"]
    assert shown["shares"]["public"][PYTHON][0]["thread_ts"] == root
    message = town.read_messages(PYTHON, root)[-1]
    assert (message["subtype"], message["files"][0]["title"]) == ("file_share", "one")
    address = urllib.parse.urlsplit(shown["url_private_download"])
    for headers, body in ((BEARER, b"x = 1\n"), ({}, b"<!DOCTYPE html>")):
        connection = http.client.HTTPConnection(address.netloc, timeout=10)
        connection.request("GET", f"{address.path}?{address.query}", headers=headers)
        assert connection.getresponse().read().startswith(body)
        connection.close()


async def test_files_go_up_from_an_asyncio_client_too(town: Workspace) -> None:
    """The upload address takes what aiohttp sends; without a channel nothing is posted."""
    async with aiohttp.ClientSession() as session:
        client = AsyncWebClient(token=BOT_TOKEN, base_url=town.api_url, session=session)
        answer = await client.files_upload_v2(filename="a.txt", content="hello")
        found = await client.files_info(file=answer["file"]["id"])
    assert found["file"]["preview"] == "hello"
    assert found["file"]["shares"] == {}


def test_bytes_may_come_in_a_form(town: Workspace, client: WebClient) -> None:
    """The upload address takes the file in a form as well; nothing else passes for it."""
    for body, status in ((b"abc", 200), (b"", 400)):
        answer = client.files_getUploadURLExternal(filename="a.txt", length=3)
        part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        whole = part + body + b"\r\n--x--\r\n" if body else b"--x--\r\n"
        connection = http.client.HTTPConnection(town.url.removeprefix("http://"), timeout=10)
        path = urllib.parse.urlsplit(answer["upload_url"]).path
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        connection.request("POST", path, whole, kind)
        assert connection.getresponse().status == status
        connection.close()


def test_wrong_uploads_are_refused(town: Workspace, client: WebClient) -> None:
    """A length, a target and a thread must hold; a private file shows itself to no stranger."""
    assert refused(client, "files.getUploadURLExternal", filename="a")["error"] == (
        "invalid_arguments"
    )
    long = {"filename": "a", "length": 1, "alt_txt": "a" * 1_001}
    assert refused(client, "files.getUploadURLExternal", **long)["error"] == "alt_txt_too_large"
    complete = "files.completeUploadExternal"
    assert refused(client, complete)["error"] == "invalid_arguments"
    gone = {"files": [{"id": "F9"}], "channel_id": GENERAL, "thread_ts": "1.000000"}
    assert refused(client, complete, **gone)["error"] == "thread_not_found"
    assert refused(client, complete, files=[{"id": "F9"}])["error"] == "file_not_found"
    den = town.send_control("create", name="den", members=[ADA], private=True)["channel"]
    file = town.send_control("file", user=ADA, channel=den, name="a.py", content="x")["file"]
    assert refused(client, "files.info", file=file)["error"] == "file_not_found"


def test_a_person_shares_a_file(town: Workspace, client: WebClient) -> None:
    """A file in a message of a person is seen by the bot that is there."""
    made = town.send_control(
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
    town: Workspace, client: WebClient, rule: Json, status: int | None, effect: str
) -> None:
    """Each fault shows on the wire, and the message is there or not as the fault says."""
    start = town.get_json("_control/calls")["next"]
    town.set_faults({**rule, "method": "chat.postMessage", "count": 1})
    text = f"fault {time.monotonic()}"
    began = time.monotonic()
    body = json.dumps({"channel": GENERAL, "text": text}).encode()
    connection = http.client.HTTPConnection(town.url.removeprefix("http://"), timeout=10)
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
    assert (text in message_texts(town.read_messages(GENERAL))) is (effect == "there")
    assert [made["fault"] for made in town.api_calls(start)] == [rule["fault"]]
    client.chat_postMessage(channel=GENERAL, text="works again")


def test_a_rule_that_makes_no_sense_is_refused(town: Workspace) -> None:
    """A typing error in a fault must not pass unseen."""
    wishes: list[Json] = [{"rules": [{"fault": "odd"}]}, {"rules": 3}, {"deliveries": []}]
    for wish in wishes:
        with pytest.raises(AssertionError, match="invalid_arguments"):
            town.post_json("_control/faults", wish)


def test_rate_limits_are_kept_on_demand(town: Workspace, client: WebClient) -> None:
    """The twenty-first start of a stream within a minute, and the fifth message at once, wait."""
    town.set_clock(speed=0.001)
    town.send_control("limits")
    for _ in range(4):
        client.chat_postMessage(channel=GENERAL, text="quick")
    with pytest.raises(SlackApiError) as refusal:
        client.chat_postMessage(channel=GENERAL, text="too quick")
    assert refusal.value.response.status_code == 429
    assert int(refusal.value.response.headers["Retry-After"]) == 1
    for _ in range(20):
        refused(client, "chat.startStream", channel=GENERAL)
    with pytest.raises(SlackApiError, match="ratelimited"):
        client.api_call("chat.startStream", json={"channel": GENERAL})
    assert refused(client, "poems.write")["error"] == "unknown_method"
