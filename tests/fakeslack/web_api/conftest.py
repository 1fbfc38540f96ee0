"""A workspace process and a Web API client for the tests of a module."""

from collections.abc import Iterator
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from testing.workspace import BOT_TOKEN, Workspace

Json = dict[str, Any]


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    """One workspace for all tests of a module."""
    with Workspace() as workspace:
        yield workspace


@pytest.fixture
def client(workspace: Workspace) -> Iterator[WebClient]:
    """A client without retries; afterwards faults, scopes, limits and clock are reset."""
    yield WebClient(token=BOT_TOKEN, base_url=workspace.api_url, retry_handlers=[], timeout=10)
    workspace.set_faults()
    workspace.send_control("app", with_scopes=["users:read"], revoked=False)
    workspace.send_control("limits", on=False)
    workspace.set_clock(speed=1.0)


def call_and_get_error(client: WebClient, method: str, **given: Any) -> Json:
    """Return the response to a call that must be refused."""
    with pytest.raises(SlackApiError) as refusal:
        client.api_call(method, json=given)
    answer = refusal.value.response
    assert isinstance(answer.data, dict)
    return answer.data
