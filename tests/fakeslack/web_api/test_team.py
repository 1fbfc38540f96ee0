"""`api.test`, `team.info`, `emoji.list`, and the methods that the product calls."""

import inspect
import re
from pathlib import Path

import pytest
from slack_sdk import WebClient

import bot
import worker
from fakeslack.errors import SlackError
from fakeslack.web_api.registry import METHODS
from testing.in_memory_workspace import InMemoryWorkspace

ATTRIBUTE = re.compile(r"client\.([a-z]+_[a-zA-Z_]+)\(")
METHOD_NAME = re.compile(r"\"([a-z]+(?:\.[a-z]+[a-zA-Z]*)+)\"")
CALLED_METHOD = re.compile(r"self\.api_call\(\s*\"([a-zA-Z.]+)\"")


@pytest.fixture
def slack() -> InMemoryWorkspace:
    """A fresh workspace."""
    return InMemoryWorkspace()


def find_called_methods() -> set[str]:
    """Return the Web API methods that bot and worker call, by name or by the SDK's functions."""
    known = {
        attribute: match[1]
        for attribute, function in inspect.getmembers(WebClient, inspect.isfunction)
        if (match := CALLED_METHOD.search(inspect.getsource(function)))
    }
    called: set[str] = set()
    for package in (bot, worker):
        for path in Path(package.__path__[0]).rglob("*.py"):
            source = path.read_text()
            called |= set(METHOD_NAME.findall(source)) & set(known.values())
            called |= {known[name] for name in ATTRIBUTE.findall(source) if name in known}
    return called


def test_each_method_that_the_product_calls_is_served() -> None:
    """A call that fakeslack does not know could not be tested."""
    called = find_called_methods()

    assert {"chat.update", "views.publish", "usergroups.users.list", "files.info"} <= called
    assert called - {"apps.connections.open"} <= METHODS.keys()


def test_api_test_returns_what_it_was_given(slack: InMemoryWorkspace) -> None:
    """An `error` comes back as the error."""
    assert slack.call_method("api.test") == {}
    assert slack.call_method("api.test", foo="bar") == {"args": {"foo": "bar"}}
    with pytest.raises(SlackError, match="my_error") as refusal:
        slack.call_method("api.test", error="my_error")
    assert refusal.value.to_response()["args"] == {"error": "my_error"}
    assert not METHODS["api.test"].needs_token


def test_team_and_emoji_are_those_of_the_workspace(slack: InMemoryWorkspace) -> None:
    """Another team is unknown, and the workspace has added no emoji."""
    team = slack.call_method("team.info")["team"]

    assert (team["id"], team["name"]) == (slack.workspace.id, slack.workspace.name)
    assert slack.call_method("team.info", team=team["id"])["team"] == team
    assert slack.expect_error("team.info", team="T9") == "team_not_found"
    assert slack.call_method("emoji.list")["emoji"] == {}
