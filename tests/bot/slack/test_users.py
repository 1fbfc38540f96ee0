"""People are called by their names, and a question never waits long for one."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.slack.users import UNRESOLVED_TTL_SECONDS, User, UserDirectory
from contract import keys
from testing.slack_events import BOT_IDENTITY
from testing.workspace import ADA, LIN, Workspace


@pytest.fixture
def names(redis: Redis, web: WebClient) -> Iterator[UserDirectory]:
    """Return names that are asked for at the workspace."""
    with ThreadPoolExecutor(4) as pool:
        yield UserDirectory(redis, web, pool)


@pytest.fixture(autouse=True)
def healthy(workspace: Workspace) -> Iterator[None]:
    """Leave no fault behind."""
    yield
    workspace.set_faults()


def test_names_are_asked_for_once(names: UserDirectory, workspace: Workspace, redis: Redis) -> None:
    """A name is remembered in the team for a day."""
    start = len(workspace.api_calls())
    first = names.lookup_users(BOT_IDENTITY.team, [ADA, LIN, ADA])

    assert first == {ADA: User(name="Ada"), LIN: User(name="Lin")}
    assert names.lookup_users(BOT_IDENTITY.team, [LIN, ADA]) == first
    assert len(workspace.api_calls(start, "users.info")) == 2
    assert 0 < redis.ttl(keys.user_profile(BOT_IDENTITY.team, ADA)) <= keys.TEXT_TTL_SECONDS


def test_nobody_is_asked_for_without_need(names: UserDirectory, workspace: Workspace) -> None:
    """A conversation of one person makes no call at all."""
    start = len(workspace.api_calls())

    assert names.lookup_users(BOT_IDENTITY.team, []) == {}
    assert not workspace.api_calls(start)


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "error", "error": "missing_scope"},
        {"fault": "ratelimited"},
        {"fault": "drop_before"},
        {"fault": "html"},
        {"fault": "truncated"},
        {"fault": "status", "status": 503},
    ],
)
def test_who_cannot_be_looked_up_is_called_by_id(
    names: UserDirectory, workspace: Workspace, redis: Redis, fault: dict[str, str]
) -> None:
    """Without a name there is the id, and Slack is not asked again at once."""
    workspace.set_faults({"method": "users.info", **fault})
    start = len(workspace.api_calls())

    assert names.lookup_users(BOT_IDENTITY.team, [ADA]) == {ADA: User(name=ADA, is_resolved=False)}
    assert names.lookup_users(BOT_IDENTITY.team, [ADA]) == {ADA: User(name=ADA, is_resolved=False)}
    assert len(workspace.api_calls(start, "users.info")) == 1
    assert 0 < redis.ttl(keys.user_profile(BOT_IDENTITY.team, ADA)) <= UNRESOLVED_TTL_SECONDS


def test_a_slow_name_is_not_waited_for(names: UserDirectory, workspace: Workspace) -> None:
    """Slack's three seconds are not spent on names: who comes late is called by id this time."""
    workspace.set_faults({"fault": "slow", "method": "users.info", "seconds": 3, "count": 1})
    found = names.lookup_users(BOT_IDENTITY.team, [ADA, LIN])

    assert sorted(person.is_resolved for person in found.values()) == [False, True]


def test_a_stranger_keeps_the_id(names: UserDirectory) -> None:
    """Somebody whom Slack does not know is still a person in the thread."""
    assert names.lookup_users(BOT_IDENTITY.team, ["U0NOBODY01"])["U0NOBODY01"].name == "U0NOBODY01"


def test_a_broken_memory_is_asked_again(names: UserDirectory, redis: Redis) -> None:
    """What another version has stored is read anew from Slack."""
    redis.set(keys.user_profile(BOT_IDENTITY.team, ADA), "not json")

    assert names.lookup_users(BOT_IDENTITY.team, [ADA])[ADA].name == "Ada"
