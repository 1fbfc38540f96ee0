"""`auth.test`, `users.info` and `reactions.*`."""

import re
from collections.abc import Mapping

from fakeslack.errors import Json, SlackError
from fakeslack.state.messages import Message
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.arguments import Arguments
from fakeslack.web_api.chat import get_visible_channel
from fakeslack.web_api.method import Method, split_names

EMOJI_PATTERN = re.compile(r"[a-z0-9_+'-]+(::skin-tone-[2-6])?")
TS_PATTERN = re.compile(r"\d+\.\d{6}")


def _auth_test(workspace: Workspace, _args: Arguments) -> Json:
    bot = workspace.app.bot
    return {
        "url": f"{workspace.base_url}/",
        "team": workspace.name,
        "user": bot.name.lower(),
        "team_id": workspace.id,
        "user_id": bot.id,
        "bot_id": bot.bot_id,
        "is_enterprise_install": False,
    }


def _users_info(workspace: Workspace, args: Arguments) -> Json:
    person = workspace.people.get(args.require_text("user"))
    if person is None:
        raise SlackError("user_not_found")
    return {"user": person.as_slack(with_locale=args.get_flag("include_locale"))}


def _get_reaction_target(workspace: Workspace, args: Arguments) -> tuple[Message, str]:
    channel = get_visible_channel(workspace, args.require_text("channel"))
    name, ts = args.require_text("name"), args.require_text("timestamp")
    if not EMOJI_PATTERN.fullmatch(name):
        raise SlackError("invalid_name")
    if not TS_PATTERN.fullmatch(ts):
        raise SlackError("bad_timestamp")
    if workspace.app.bot.id not in channel.members:
        raise SlackError("no_access")
    if channel.is_archived:
        raise SlackError("is_archived")
    return workspace.get_message(channel.id, ts), name


def _reactions_add(workspace: Workspace, args: Arguments) -> Json:
    message, name = _get_reaction_target(workspace, args)
    workspace.set_reaction(message, workspace.app.bot.id, name)
    return {}


def _reactions_remove(workspace: Workspace, args: Arguments) -> Json:
    message, name = _get_reaction_target(workspace, args)
    workspace.set_reaction(message, workspace.app.bot.id, name, remove=True)
    return {}


METHODS: Mapping[str, Method] = {
    "auth.test": Method(_auth_test, split_names(""), tier=0),
    "users.info": Method(
        _users_info, split_names("user include_locale"), scope="users:read", tier=4
    ),
    "reactions.add": Method(
        _reactions_add, split_names("channel name timestamp"), scope="reactions:write"
    ),
    "reactions.remove": Method(
        _reactions_remove,
        split_names("channel name timestamp file file_comment"),
        scope="reactions:write",
        tier=2,
    ),
}
