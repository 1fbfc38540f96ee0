"""Channel managers: administrators of the workspace, the channel's creator, and the operator's."""

from typing import Any

import pytest
from slack_sdk import WebClient

from bot.slack.channel_managers import ChannelManagers
from testing.workspace import ADA, DEPLOYBOT, GENERAL, LIN, SAM, Workspace

TEAM = "T0FAKE0001"


@pytest.mark.parametrize(
    ("user", "person", "allowed"),
    [
        ("U0OPERATOR", None, True),
        (ADA, None, True),
        (LIN, None, False),
        (DEPLOYBOT, None, False),
        (SAM, {"is_admin": True}, True),
        (SAM, {"is_admin": True, "is_restricted": True}, False),
        (SAM, {"is_admin": True, "team": "T0OTHER001"}, False),
    ],
)
def test_managers_of_a_channel(
    workspace: Workspace,
    web: WebClient,
    user: str,
    person: dict[str, Any] | None,
    allowed: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Ada has created it; guests and people of other workspaces never manage it."""
    if person is not None:
        workspace.send_control("person", id=SAM, name="Sam", **person)
    managers = ChannelManagers(web, frozenset({"U0OPERATOR"}))

    assert managers.is_manager(TEAM, GENERAL, user) is allowed
    workspace.send_control("person", id=SAM, name="Sam")
