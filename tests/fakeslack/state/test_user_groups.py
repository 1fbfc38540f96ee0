"""User groups: Slack shows no group that is disabled or gone."""

import pytest

from fakeslack.errors import SlackError
from fakeslack.state.user_groups import UserGroup
from testing.in_memory_workspace import ADA, InMemoryWorkspace


def test_members_of_a_group_are_listed_until_it_is_disabled() -> None:
    """A disabled group is listed on request only; a removed one never."""
    groups = InMemoryWorkspace().workspace.user_groups
    groups.put_group(UserGroup("S01", "team", [ADA]))
    assert groups.list_members("S01", include_disabled=False) == [ADA]

    groups.put_group(UserGroup("S01", "team", [ADA], is_disabled=True))
    assert groups.list_members("S01", include_disabled=True) == [ADA]
    for _ in range(2):
        with pytest.raises(SlackError, match="no_such_subteam"):
            groups.list_members("S01", include_disabled=False)
        groups.remove_group("S01")
