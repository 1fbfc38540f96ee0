"""`auth.test`, `users.info` and `reactions.*`."""

import pytest

from testing.in_memory_workspace import ADA, GENERAL, InMemoryWorkspace


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
