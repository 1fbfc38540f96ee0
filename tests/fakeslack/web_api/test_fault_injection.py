"""Fault injection and rate limits on the wire."""

import http.client
import json
import time
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from testing.workspace import BOT_TOKEN, GENERAL, Workspace, message_texts
from tests.fakeslack.web_api.conftest import call_and_get_error

Json = dict[str, Any]


BEARER = {"Authorization": f"Bearer {BOT_TOKEN}"}


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
def test_a_fault_applies_once_with_its_effect(
    workspace: Workspace, client: WebClient, rule: Json, status: int | None, effect: str
) -> None:
    """Each fault shows on the wire; the message exists only if the method ran."""
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


def test_malformed_faults_are_refused(workspace: Workspace) -> None:
    """A misspelled fault is an error."""
    bodies: list[Json] = [{"rules": [{"fault": "odd"}]}, {"rules": 3}, {"deliveries": []}]
    for body in bodies:
        with pytest.raises(AssertionError, match="invalid_arguments"):
            workspace.post_json("_control/faults", body)


def test_rate_limits_can_be_enforced(workspace: Workspace, client: WebClient) -> None:
    """The 21st stream start in a minute and the fifth post at once are limited."""
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
