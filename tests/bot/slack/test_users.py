"""User directory: users are cached, and a slow lookup delays no question."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.slack.client import SlackWebClient
from bot.slack.users import (
    MAX_CALLS_PER_MESSAGE,
    UNRESOLVED_TTL_SECONDS,
    User,
    UserDirectory,
)
from contract import keys
from contract.language import Language
from testing.slack_events import BOT_IDENTITY
from testing.workspace import ADA, BOT_TOKEN, LIN, SAM, Workspace

UNRESOLVED_ADA = User(name=ADA, is_resolved=False)


@pytest.fixture
def users(redis: Redis, web: WebClient) -> Iterator[UserDirectory]:
    """Return users that are asked for at the workspace."""
    with ThreadPoolExecutor(4) as names, ThreadPoolExecutor(1) as authors:
        yield UserDirectory(redis, web, names, authors)


@pytest.fixture(autouse=True)
def restore_workspace(workspace: Workspace) -> Iterator[None]:
    """Remove injected faults after each test."""
    yield
    workspace.set_faults()


def test_user_lookup_is_cached(users: UserDirectory, workspace: Workspace, redis: Redis) -> None:
    """A second lookup makes no call."""
    start = len(workspace.api_calls())
    first = users.lookup_users(BOT_IDENTITY.team, [ADA, LIN, ADA])

    assert first == {
        ADA: User(name="Ada", is_bot=False),
        LIN: User(name="Lin", is_bot=False),
    }
    assert users.lookup_users(BOT_IDENTITY.team, [LIN, ADA]) == first
    assert len(workspace.api_calls(start, "users.info")) == 2
    assert 0 < redis.ttl(keys.user_profile(BOT_IDENTITY.team, ADA)) <= keys.TEXT_TTL_SECONDS


def test_lookup_of_no_users_makes_no_call(users: UserDirectory, workspace: Workspace) -> None:
    """A lookup without ids makes no call."""
    start = len(workspace.api_calls())

    assert users.lookup_users(BOT_IDENTITY.team, []) == {}
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
def test_unresolved_user_keeps_id(
    users: UserDirectory, workspace: Workspace, redis: Redis, fault: dict[str, str]
) -> None:
    """A user whose lookup fails is called by id."""
    workspace.set_faults({"method": "users.info", **fault})
    start = len(workspace.api_calls())

    assert users.lookup_users(BOT_IDENTITY.team, [ADA]) == {ADA: UNRESOLVED_ADA}
    assert users.lookup_users(BOT_IDENTITY.team, [ADA]) == {ADA: UNRESOLVED_ADA}
    assert len(workspace.api_calls(start, "users.info")) == 1
    assert 0 < redis.ttl(keys.user_profile(BOT_IDENTITY.team, ADA)) <= UNRESOLVED_TTL_SECONDS


def test_slow_lookup_is_left_unresolved(users: UserDirectory, workspace: Workspace) -> None:
    """A lookup that exceeds its timeout leaves the user unresolved."""
    workspace.set_faults({"fault": "slow", "method": "users.info", "seconds": 3, "count": 1})
    found = users.lookup_users(BOT_IDENTITY.team, [ADA, LIN])

    assert sorted(person.is_resolved for person in found.values()) == [False, True]


def test_unknown_user_keeps_id(users: UserDirectory) -> None:
    """A user whom Slack does not know keeps the id as name."""
    assert users.lookup_users(BOT_IDENTITY.team, ["U0NOBODY01"])["U0NOBODY01"].name == "U0NOBODY01"


def test_invalid_cache_entry_is_fetched_again(users: UserDirectory, redis: Redis) -> None:
    """An entry of another version is replaced from Slack."""
    redis.set(keys.user_profile(BOT_IDENTITY.team, ADA), "not json")

    assert users.lookup_users(BOT_IDENTITY.team, [ADA])[ADA].name == "Ada"


def test_language_comes_with_the_name(
    users: UserDirectory, workspace: Workspace, redis: Redis
) -> None:
    """One call tells both. A person without a known locale reads English."""
    workspace.send_control("person", id=LIN, name="Lin", locale="zh-CN")
    workspace.send_control("person", id=SAM, name="Sam", locale="tlh")
    # As a version without languages has cached it.
    redis.set(keys.user_profile(BOT_IDENTITY.team, LIN), '{"name": "Lin"}')
    start = len(workspace.api_calls())

    languages = [
        users.lookup_language(BOT_IDENTITY.team, user) for user in (LIN, LIN, SAM, "U0NOBODY01")
    ]

    assert languages == [Language.CHINESE, Language.CHINESE, Language.ENGLISH, Language.ENGLISH]
    assert len(workspace.api_calls(start, "users.info")) == 3
    workspace.send_control("person", id=LIN, name="Lin")


def test_language_is_asked_for_again_after_the_app_was_refused(
    redis: Redis, workspace: Workspace
) -> None:
    """A token that was revoked for a moment leaves no one with English for a minute."""
    workspace.send_control("person", id=LIN, name="Lin", locale="zh-CN")
    client = SlackWebClient(token=BOT_TOKEN, base_url=workspace.api_url, retry_handlers=[])
    with ThreadPoolExecutor(1) as pool:
        users = UserDirectory(redis, client, pool, pool)
        workspace.set_faults({"method": "users.info", "fault": "error", "error": "token_revoked"})
        assert users.lookup_language(BOT_IDENTITY.team, LIN) is Language.ENGLISH
        workspace.set_faults()
        client.auth_test()

        assert users.lookup_language(BOT_IDENTITY.team, LIN) is Language.CHINESE
    workspace.send_control("person", id=LIN, name="Lin")


def test_message_with_many_mentions_makes_few_calls(
    users: UserDirectory, workspace: Workspace
) -> None:
    """Users beyond the maximum keep their id; the first ones are looked up."""
    start = len(workspace.api_calls())
    crowd = [f"U{number:08}" for number in range(2500)]

    found = users.lookup_users(BOT_IDENTITY.team, [ADA, *crowd])

    assert found[ADA].name == "Ada"
    assert found[crowd[-1]] == User(name=crowd[-1], is_resolved=False)
    assert len(workspace.api_calls(start, "users.info")) <= MAX_CALLS_PER_MESSAGE


def test_author_is_looked_up_while_all_threads_for_names_wait(
    redis: Redis, web: WebClient, workspace: Workspace
) -> None:
    """The lookups that a message gave up are never made."""
    start, go = len(workspace.api_calls()), threading.Event()
    with ThreadPoolExecutor(1) as names, ThreadPoolExecutor(1) as authors:
        names.submit(go.wait)
        users = UserDirectory(redis, web, names, authors)
        try:
            crowd = users.lookup_users(BOT_IDENTITY.team, [LIN, "U0NOBODY01"])
            author = users.lookup_author(BOT_IDENTITY.team, ADA)
        finally:
            go.set()

    assert {user.is_resolved for user in crowd.values()} == {False}
    assert author.name == "Ada"
    assert [c["args"]["user"] for c in workspace.api_calls(start, "users.info")] == [ADA]


def test_failed_lookup_of_an_author_is_repeated(users: UserDirectory, workspace: Workspace) -> None:
    """A member is not refused for a failure of a minute ago."""
    workspace.set_faults({"method": "users.info", "fault": "ratelimited", "count": 1})

    assert not users.lookup_author(BOT_IDENTITY.team, ADA).is_resolved
    assert users.lookup_author(BOT_IDENTITY.team, ADA).name == "Ada"


def test_user_that_slack_does_not_show_counts_as_guest(users: UserDirectory) -> None:
    """Slack's answer is certain, so there is nothing to try again."""
    assert users.lookup_author(BOT_IDENTITY.team, "U0NOBODY01").is_guest
