"""User groups: cached with an age; a group that Slack does not show is unreadable."""

from collections.abc import Iterator

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.user_groups import (
    MEMBERS_AGE_SECONDS,
    UNREADABLE_AGE_SECONDS,
    GroupUnreadableError,
    UserGroups,
)
from bot.store.client import NotCachedError
from testing.workspace import ADA, LIN, Workspace

GROUP = "S0GROUP001"


class PlayedSeconds:
    """A clock that a test moves."""

    seconds = 0.0

    def __call__(self) -> float:
        """Return the time (s)."""
        return self.seconds


@pytest.fixture
def clock() -> PlayedSeconds:
    """Return a clock at 0."""
    return PlayedSeconds()


@pytest.fixture
def groups(workspace: Workspace, web: WebClient, clock: PlayedSeconds) -> Iterator[UserGroups]:
    """Return the directory of a workspace with a group of Ada."""
    workspace.send_control("user_group", id=GROUP, users=[ADA])
    yield UserGroups(web, clock)
    workspace.set_faults()
    workspace.send_control("app", with_scopes=["usergroups:read"])


def count_calls(workspace: Workspace) -> int:
    """Return how often the members of a group were read."""
    return len(workspace.api_calls(0, "usergroups.users.list"))


def test_members_are_read_once_until_they_are_old(
    groups: UserGroups, workspace: Workspace, clock: PlayedSeconds
) -> None:
    """A person who left the group may ask for five minutes more."""
    before = count_calls(workspace)
    assert groups.read_members(GROUP) == {ADA}
    workspace.send_control("user_group", id=GROUP, users=[LIN])
    clock.seconds = MEMBERS_AGE_SECONDS - 1
    assert groups.read_members(GROUP, cached_only=True) == {ADA}
    assert count_calls(workspace) == before + 1

    clock.seconds = MEMBERS_AGE_SECONDS
    with pytest.raises(NotCachedError):
        groups.read_members(GROUP, cached_only=True)
    assert groups.read_members(GROUP) == {LIN}


@pytest.mark.parametrize("change", ["removed", "disabled", "scope"])
def test_group_that_slack_hides_is_unreadable(
    groups: UserGroups, workspace: Workspace, clock: PlayedSeconds, change: str
) -> None:
    """It is tried again after a minute, and a mention in between costs no call."""
    if change == "scope":
        workspace.send_control("app", without_scopes=["usergroups:read"])
    else:
        workspace.send_control("user_group", id=GROUP, users=[ADA], **{change: True})
    with pytest.raises(GroupUnreadableError):
        groups.read_members(GROUP)
    with pytest.raises(GroupUnreadableError):
        groups.read_members(GROUP, cached_only=True)

    workspace.send_control("app", with_scopes=["usergroups:read"])
    workspace.send_control("user_group", id=GROUP, users=[ADA])
    clock.seconds = UNREADABLE_AGE_SECONDS
    assert groups.read_members(GROUP) == {ADA}


@pytest.mark.parametrize("fault", ["ratelimited", "error"])
def test_passing_fault_is_no_verdict(groups: UserGroups, workspace: Workspace, fault: str) -> None:
    """The question is read again later."""
    workspace.set_faults(
        {"method": "usergroups.users.list", "fault": fault, "error": "internal_error"}
    )
    with pytest.raises(SlackApiError):
        groups.read_members(GROUP)
    workspace.set_faults()
    assert groups.read_members(GROUP) == {ADA}
