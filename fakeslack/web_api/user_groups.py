"""`usergroups.users.list`; Slack answers it in one page."""

from collections.abc import Mapping

from fakeslack.errors import Json
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.arguments import Arguments
from fakeslack.web_api.method import Method, split_names


def _users_list(workspace: Workspace, args: Arguments) -> Json:
    users = workspace.user_groups.list_members(
        args.require_text("usergroup"),
        include_disabled=args.get_flag("include_disabled"),
    )
    return {"users": users}


METHODS: Mapping[str, Method] = {
    "usergroups.users.list": Method(
        _users_list,
        split_names("usergroup include_disabled team_id"),
        scope="usergroups:read",
        tier=2,
    ),
}
