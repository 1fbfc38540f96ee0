"""`auth.test`, `users.*`, `bots.info` and `reactions.*`."""

import pytest

from testing.in_memory_workspace import ADA, GENERAL, STARCHAT, InMemoryWorkspace


@pytest.fixture
def slack() -> InMemoryWorkspace:
    """A fresh workspace."""
    return InMemoryWorkspace()


def test_reactions_are_added_and_removed_once(slack: InMemoryWorkspace) -> None:
    """Each reaction needs a valid emoji name and timestamp."""
    message = slack.post_message("a")
    arguments = {"channel": GENERAL, "name": "eyes", "timestamp": message.ts}
    assert slack.call_method("reactions.add", **arguments) == {}
    assert slack.expect_error("reactions.add", **arguments) == "already_reacted"
    assert slack.call_method("reactions.remove", **arguments) == {}
    assert slack.expect_error("reactions.remove", **arguments) == "no_reaction"
    assert slack.expect_error("reactions.add", **{**arguments, "name": ":eyes:"}) == "invalid_name"
    assert slack.expect_error("reactions.add", **{**arguments, "timestamp": "1"}) == "bad_timestamp"
    slack.workspace.archive_channel(GENERAL)
    assert slack.expect_error("reactions.add", **arguments) == "is_archived"
    foreign = slack.workspace.create_channel("foreign", [ADA]).id
    assert slack.expect_error("reactions.add", **{**arguments, "channel": foreign}) == "no_access"


def test_auth_test_and_users_info_return_slacks_fields(slack: InMemoryWorkspace) -> None:
    """The bot learns its own and other people's ids."""
    assert slack.call_method("auth.test")["bot_id"] == "B0STARCHAT"
    assert slack.call_method("users.info", user=ADA)["user"]["profile"]["display_name"] == "Ada"
    assert slack.expect_error("users.info", user="U9") == "user_not_found"


def test_locale_is_told_to_those_who_ask_for_it(slack: InMemoryWorkspace) -> None:
    """As Slack does, which leaves it out otherwise."""
    asked = slack.call_method("users.info", user=ADA, include_locale=True)["user"]

    assert asked["locale"] == "en-US"
    assert "locale" not in slack.call_method("users.info", user=ADA)["user"]


def test_all_members_are_listed_in_pages(slack: InMemoryWorkspace) -> None:
    """Without a limit they come at once; a cursor behind the end is refused."""
    everyone = [member["id"] for member in slack.call_method("users.list")["members"]]
    page = slack.call_method("users.list", limit=2)
    cursor = page["response_metadata"]["next_cursor"]
    second = slack.call_method("users.list", limit=1_000, cursor=cursor)

    assert everyone == list(slack.workspace.people)
    assert [member["id"] for member in page["members"] + second["members"]] == everyone
    assert second["response_metadata"]["next_cursor"] == ""
    for cursor in ("99", "-1", "x"):
        assert slack.expect_error("users.list", cursor=cursor) == "invalid_cursor"
    assert slack.expect_error("users.list", limit=0) == "invalid_limit"


def test_addresses_need_a_scope(slack: InMemoryWorkspace) -> None:
    """A person is found by address; profiles show one only with the scope, bots never."""
    assert "email" not in slack.call_method("users.info", user=ADA)["user"]["profile"]
    slack.workspace.app.scopes.add("users:read.email")
    found = slack.call_method("users.lookupByEmail", email="Ada@example.com")["user"]
    bot = slack.call_method("users.info", user=STARCHAT)["user"]

    assert (found["id"], found["profile"]["email"]) == (ADA, "ada@example.com")
    assert "email" not in bot["profile"]
    unknown = slack.expect_error("users.lookupByEmail", email="nobody@example.com")
    assert unknown == "users_not_found"


def test_bots_are_found_by_bot_id(slack: InMemoryWorkspace) -> None:
    """A user id is no bot id."""
    found = slack.call_method("bots.info", bot="B0STARCHAT")["bot"]

    assert (found["id"], found["user_id"], found["name"]) == ("B0STARCHAT", STARCHAT, "StarChat")
    assert slack.expect_error("bots.info", bot=STARCHAT) == "bot_not_found"


def test_reactions_of_a_message_are_read(slack: InMemoryWorkspace) -> None:
    """They come with the message; without its channel or time there is nothing to read."""
    ts = slack.post_message("a").ts
    where = {"channel": GENERAL, "timestamp": ts}
    slack.call_method("reactions.add", **where, name="eyes")
    message = slack.call_method("reactions.get", **where)["message"]

    assert message["reactions"] == [{"name": "eyes", "users": [STARCHAT], "count": 1}]
    assert slack.expect_error("reactions.get", channel=GENERAL) == "no_item_specified"
    assert slack.expect_error("reactions.get", **{**where, "timestamp": "1"}) == "bad_timestamp"
    gone = {**where, "timestamp": "1.000000"}
    assert slack.expect_error("reactions.get", **gone) == "message_not_found"
    foreign = slack.workspace.create_channel("foreign", [ADA]).id
    elsewhere = {**where, "channel": foreign}
    assert slack.expect_error("reactions.get", **elsewhere) == "message_not_found"
