"""Members of channels: found on any page, within a bound."""

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack import members
from bot.slack.members import ChannelMembers
from testing.workspace import ADA, GENERAL, LIN, STARCHAT, Workspace

METHOD = "conversations.members"


@pytest.fixture
def reader(web: WebClient, monkeypatch: pytest.MonkeyPatch) -> ChannelMembers:
    """Return a reader of pages with one member each."""
    monkeypatch.setattr(members, "MEMBERS_PER_PAGE", 1)
    return ChannelMembers(web)


def test_members_are_found_on_any_page(workspace: Workspace, reader: ChannelMembers) -> None:
    """The reading ends with the last one of those who are looked for."""
    wanted = frozenset({ADA, STARCHAT})
    assert reader.find_members(GENERAL, wanted) == wanted
    since = len(workspace.api_calls(method=METHOD))
    assert reader.find_members(GENERAL, frozenset({ADA})) == {ADA}
    assert len(workspace.api_calls(method=METHOD)) == since + 1
    assert reader.find_members(GENERAL, frozenset({LIN, "U0NOBODY01"})) == {LIN}


def test_long_channel_ends_the_reading(
    workspace: Workspace, reader: ChannelMembers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member beyond the last page counts as none."""
    monkeypatch.setattr(members, "MAX_PAGES", 2)
    since = len(workspace.api_calls(method=METHOD))

    assert reader.find_members(GENERAL, frozenset({"U0NOBODY01"})) == frozenset()
    assert len(workspace.api_calls(method=METHOD)) == since + 2


def test_channel_without_the_bot_is_an_error(workspace: Workspace, reader: ChannelMembers) -> None:
    """Slack does not show its members."""
    channel = workspace.send_control("create", name="hidden", members=[ADA], private=True)
    with pytest.raises(SlackApiError, match="channel_not_found"):
        reader.find_members(channel["channel"], frozenset({ADA}))
