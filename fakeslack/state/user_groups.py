"""User groups of the workspace. Pure."""

from dataclasses import dataclass

from fakeslack.errors import SlackError


@dataclass(slots=True)
class UserGroup:
    """One user group; a disabled one keeps its members, and Slack hides it."""

    id: str
    handle: str
    members: list[str]
    is_disabled: bool = False


class UserGroups:
    """All user groups by id."""

    def __init__(self) -> None:
        self._groups: dict[str, UserGroup] = {}

    def put_group(self, group: UserGroup) -> None:
        """Create a group, or replace the one with its id."""
        self._groups[group.id] = group

    def remove_group(self, group_id: str) -> None:
        """Remove a group, if it exists."""
        self._groups.pop(group_id, None)

    def list_members(self, group_id: str, *, include_disabled: bool) -> list[str]:
        """Return the members of a group. Raises `no_such_subteam` if Slack shows no such group."""
        group = self._groups.get(group_id)
        if group is None or (group.is_disabled and not include_disabled):
            raise SlackError("no_such_subteam")
        return list(group.members)
