"""`auth.test`, `users.info` and `reactions.*`."""

import pytest

from testing.in_memory_workspace import ADA, GENERAL, InMemoryWorkspace


@pytest.fixture
def slack() -> InMemoryWorkspace:
    """A fresh workspace."""
    return InMemoryWorkspace()


def test_reactions_are_added_and_removed_once(slack: InMemoryWorkspace) -> None:
    """The bot reacts with an emoji by its name to a message by its timestamp."""
    message = slack.post_message("a")
    wish = {"channel": GENERAL, "name": "eyes", "timestamp": message.ts}
    assert slack.call_method("reactions.add", **wish) == {}
    assert slack.expect_error("reactions.add", **wish) == "already_reacted"
    assert slack.call_method("reactions.remove", **wish) == {}
    assert slack.expect_error("reactions.remove", **wish) == "no_reaction"
    assert slack.expect_error("reactions.add", **{**wish, "name": ":eyes:"}) == "invalid_name"
    assert slack.expect_error("reactions.add", **{**wish, "timestamp": "1"}) == "bad_timestamp"
    slack.workspace.archive_channel(GENERAL)
    assert slack.expect_error("reactions.add", **wish) == "is_archived"
    foreign = slack.workspace.create_channel("foreign", [ADA]).id
    assert slack.expect_error("reactions.add", **{**wish, "channel": foreign}) == "no_access"


def test_the_bot_learns_who_it_is_and_who_others_are(slack: InMemoryWorkspace) -> None:
    """`auth.test` and `users.info` answer with Slack's fields."""
    assert slack.call_method("auth.test")["bot_id"] == "B0STARCHAT"
    assert slack.call_method("users.info", user=ADA)["user"]["profile"]["display_name"] == "Ada"
    assert slack.expect_error("users.info", user="U9") == "user_not_found"
