"""`api.test`, `team.info` and `emoji.list`."""

from collections.abc import Mapping

from fakeslack.errors import Json, SlackError
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.arguments import Arguments
from fakeslack.web_api.method import Method, split_names


def _api_test(_workspace: Workspace, args: Arguments) -> Json:
    if args.has_value("error"):
        raise SlackError(args.get_text("error"), args=args.values)
    return {"args": args.values} if args.values else {}


def _team_info(workspace: Workspace, args: Arguments) -> Json:
    if args.get_text("team", workspace.id) != workspace.id:
        raise SlackError("team_not_found")
    team = {
        "id": workspace.id,
        "name": workspace.name,
        "url": f"{workspace.base_url}/",
        "domain": workspace.name.lower(),
        "email_domain": "",
        "icon": {"image_default": True},
        "avatar_base_url": "",
        "is_verified": False,
    }
    return {"team": team}


def _emoji_list(_workspace: Workspace, _args: Arguments) -> Json:
    # Slack lists a workspace's own emoji, and this one has none.
    return {"emoji": {}, "cache_ts": "1700000000.000000"}


METHODS: Mapping[str, Method] = {
    "api.test": Method(_api_test, split_names("error foo"), tier=0, needs_token=False),
    "team.info": Method(_team_info, split_names("team domain"), scope="team:read"),
    "emoji.list": Method(
        _emoji_list, split_names("include_categories"), scope="emoji:read", tier=2
    ),
}
