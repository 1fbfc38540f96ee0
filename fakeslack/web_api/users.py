"""Who is who, who we are, and reactions."""

import re
from collections.abc import Mapping

from fakeslack.errors import Json, SlackError
from fakeslack.state.messages import Message
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.arguments import Arguments
from fakeslack.web_api.chat import visible
from fakeslack.web_api.method import Method, takes

EMOJI = re.compile(r"[a-z0-9_+'-]+(::skin-tone-[2-6])?")
TS = re.compile(r"\d+\.\d{6}")


def _auth(workspace: Workspace, _args: Arguments) -> Json:
    bot = workspace.app.bot
    return {
        "url": f"{workspace.address}/",
        "team": workspace.name,
        "user": bot.name.lower(),
        "team_id": workspace.id,
        "user_id": bot.id,
        "bot_id": bot.bot_id,
        "is_enterprise_install": False,
    }


def _user(workspace: Workspace, args: Arguments) -> Json:
    person = workspace.people.get(args.required("user"))
    if person is None:
        raise SlackError("user_not_found")
    return {"user": person.as_slack()}


def _reacted_to(workspace: Workspace, args: Arguments) -> tuple[Message, str]:
    channel = visible(workspace, args.required("channel"))
    name, ts = args.required("name"), args.required("timestamp")
    if not EMOJI.fullmatch(name):
        raise SlackError("invalid_name")
    if not TS.fullmatch(ts):
        raise SlackError("bad_timestamp")
    if workspace.app.bot.id not in channel.members:
        raise SlackError("no_access")
    if channel.archived:
        raise SlackError("is_archived")
    return workspace.message(channel.id, ts), name


def _add(workspace: Workspace, args: Arguments) -> Json:
    message, name = _reacted_to(workspace, args)
    workspace.react(message, workspace.app.bot.id, name)
    return {}


def _remove(workspace: Workspace, args: Arguments) -> Json:
    message, name = _reacted_to(workspace, args)
    workspace.react(message, workspace.app.bot.id, name, remove=True)
    return {}


METHODS: Mapping[str, Method] = {
    "auth.test": Method(_auth, takes(""), tier=0),
    "users.info": Method(_user, takes("user include_locale"), scope="users:read", tier=4),
    "reactions.add": Method(_add, takes("channel name timestamp"), scope="reactions:write"),
    "reactions.remove": Method(
        _remove, takes("channel name timestamp file file_comment"), scope="reactions:write", tier=2
    ),
}
