"""Request guard: foreign hosts, cross-site requests and missing tokens."""

import http.client
import json
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest

from testing.workspace import ADA, BOT_TOKEN, GENERAL, Workspace

Json = dict[str, Any]

JSON_TYPE = {"Content-Type": "application/json"}
FORM_TYPE = {"Content-Type": "application/x-www-form-urlencoded"}
MESSAGE = {"user": ADA, "channel": GENERAL, "text": "forged"}
BOT_MESSAGE = {"token": BOT_TOKEN, "channel": GENERAL, "text": "forged"}


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    """One workspace for all tests here."""
    with Workspace("--allow-host", "fakeslack") as workspace:
        yield workspace


def _send_request(
    workspace: Workspace, method: str, path: str, headers: dict[str, str], body: str = ""
) -> tuple[int, str]:
    """Return status and text of a response; `headers` replace the usual ones."""
    connection = http.client.HTTPConnection("127.0.0.1", workspace.port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host=True)
        all_headers = {"Host": f"127.0.0.1:{workspace.port}", **headers}
        for name, value in all_headers.items():
            if value:
                connection.putheader(name, value)
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body.encode() if body else None)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def _count_messages(workspace: Workspace) -> int:
    return len(workspace.read_messages(GENERAL))


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example@127.0.0.1",
        "0.0.0.0",
        "192.168.0.7:8065",
        "[::2]:8065",
        "127.0.0.1:port",
        "",
    ],
)
@pytest.mark.parametrize("path", ["/", f"/_page/state?user={ADA}", "/api/api.test", "/page/x.js"])
def test_foreign_host_is_refused(workspace: Workspace, host: str, path: str) -> None:
    """A name that an attacker points at this machine reads nothing (DNS rebinding)."""
    status, text = _send_request(workspace, "GET", path, {"Host": host})

    assert status in {400, 403}
    assert "token" not in text


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8065", "127.0.0.2", "LocalHost:1", "[::1]:8065", "fakeslack:8065"]
)
def test_loopback_and_allowed_hosts_are_served(workspace: Workspace, host: str) -> None:
    """Loopback addresses and the names of `--allow-host` reach the page, on any port."""
    assert _send_request(workspace, "GET", "/", {"Host": host})[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:3000"])
@pytest.mark.parametrize(
    ("path", "kind", "fields"),
    [
        ("/api/chat.postMessage", "form", BOT_MESSAGE),
        ("/api/apps.connections.open", "form", {"token": "xapp-fakeslack"}),
        ("/_page/post", "json", MESSAGE),
        ("/_control/raw_post", "json", MESSAGE),
    ],
)
def test_cross_site_post_changes_nothing(
    workspace: Workspace, origin: str, path: str, kind: str, fields: Json
) -> None:
    """Neither a form nor a script of another site posts, even with the right tokens."""
    before = _count_messages(workspace)
    is_form = kind == "form"
    body = urllib.parse.urlencode(fields) if is_form else json.dumps(fields)
    headers = {"Origin": origin, **workspace.token_header, **(FORM_TYPE if is_form else JSON_TYPE)}

    assert _send_request(workspace, "POST", path, headers, body)[0] == 403
    assert _count_messages(workspace) == before


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_cross_site_read_is_refused(workspace: Workspace, site: str) -> None:
    """A picture or a script tag of another site has no Origin, but a Sec-Fetch-Site."""
    query = urllib.parse.urlencode(BOT_MESSAGE)
    before = _count_messages(workspace)
    for path in (f"/_page/messages?user={ADA}&channel={GENERAL}", f"/api/chat.postMessage?{query}"):
        headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
        assert _send_request(workspace, "GET", path, headers)[0] == 403
    assert _count_messages(workspace) == before


def test_link_from_another_site_opens_page(workspace: Workspace) -> None:
    """A person may follow a link to the workspace, but only to its page."""
    headers = {
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }

    assert _send_request(workspace, "GET", "/", headers)[0] == 200
    assert _send_request(workspace, "GET", "/_control/calls", headers)[0] == 403


def test_token_in_address_does_not_authenticate(workspace: Workspace) -> None:
    """As in Slack, a token counts in the header or the form only."""
    query = urllib.parse.urlencode(BOT_MESSAGE)
    _, text = _send_request(workspace, "POST", f"/api/chat.postMessage?{query}", {})

    assert json.loads(text)["error"] == "not_authed"


@pytest.mark.parametrize("token", ["", "guessed", "é"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/_page/post"), ("POST", "/_control/request_url"), ("GET", "/_control/calls")],
)
def test_request_without_token_is_refused(
    workspace: Workspace, token: str, method: str, path: str
) -> None:
    """The page's POST requests and all control routes need the token of this start."""
    headers = {"X-Fakeslack-Token": token, **JSON_TYPE}
    status, text = _send_request(workspace, method, path, headers, json.dumps(MESSAGE))

    assert (status, json.loads(text)["error"]) == (403, "invalid_page_token")


def test_each_start_has_its_own_token(workspace: Workspace) -> None:
    """A token of an earlier start is refused."""
    with Workspace() as other:
        headers = other.token_header
        assert headers != workspace.token_header
    status, _ = _send_request(workspace, "GET", "/_control/calls", headers)

    assert status == 403


def test_page_can_not_be_framed(workspace: Workspace) -> None:
    """Another site can't show the page in a frame and lead a person's clicks."""
    connection = http.client.HTTPConnection("127.0.0.1", workspace.port, timeout=10)
    connection.request("GET", "/")
    response = connection.getresponse()
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    connection.close()


def test_all_addresses_are_shown_as_loopback() -> None:
    """A server on all addresses names one that a browser may open."""
    with Workspace("--host", "0.0.0.0") as workspace:
        assert workspace.url == f"http://127.0.0.1:{workspace.port}"
        assert _send_request(workspace, "GET", "/", {"Host": "0.0.0.0"})[0] == 403
