"""`auth.test`, `users.*`, `bots.info` and `reactions.*`."""

import re
from collections.abc import Mapping

from fakeslack.errors import Json, SlackError
from fakeslack.state.messages import Message
from fakeslack.state.people import Person
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.arguments import MAX_LIMIT, Arguments, build_page
from fakeslack.web_api.chat import get_visible_channel
from fakeslack.web_api.method import Method, split_names

EMAIL_SCOPE = "users:read.email"
CACHE_SECONDS = 1_700_000_000
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


def _describe_person(workspace: Workspace, person: Person, args: Arguments) -> Json:
    """Return a user object; addresses need a scope of their own."""
    body = person.as_slack(with_locale=args.get_flag("include_locale"))
    if person.email and EMAIL_SCOPE in workspace.app.scopes:
        body["profile"]["email"] = person.email
    return body


def _users_info(workspace: Workspace, args: Arguments) -> Json:
    person = workspace.people.get(args.require_text("user"))
    if person is None:
        raise SlackError("user_not_found")
    return {"user": _describe_person(workspace, person, args)}


def _users_list(workspace: Workspace, args: Arguments) -> Json:
    # Without a limit, Slack tries to send everybody.
    members = [_describe_person(workspace, person, args) for person in workspace.people.values()]
    return {**build_page(args, "members", members, MAX_LIMIT), "cache_ts": CACHE_SECONDS}


def _users_lookup_by_email(workspace: Workspace, args: Arguments) -> Json:
    address = args.require_text("email").lower()
    for person in workspace.people.values():
        if person.email == address:
            return {"user": _describe_person(workspace, person, args)}
    raise SlackError("users_not_found")


def _bots_info(workspace: Workspace, args: Arguments) -> Json:
    for person in workspace.people.values():
        if person.is_bot and person.bot_id == args.require_text("bot"):
            profile = person.bot_profile()
            del profile["team_id"]
            return {"bot": {**profile, "user_id": person.id}}
    raise SlackError("bot_not_found")


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


def _reactions_get(workspace: Workspace, args: Arguments) -> Json:
    if not args.has_value("channel") or not args.has_value("timestamp"):
        raise SlackError("no_item_specified")
    if not TS_PATTERN.fullmatch(args.get_text("timestamp")):
        raise SlackError("bad_timestamp")
    channel = get_visible_channel(workspace, args.get_text("channel"))
    if workspace.app.bot.id not in channel.members:
        raise SlackError("message_not_found")
    message = workspace.get_message(channel.id, args.get_text("timestamp"))
    link = f"{workspace.base_url}/archives/{channel.id}/p{message.ts.replace('.', '')}"
    body = message.without_metadata() | {"permalink": link}
    return {"type": "message", "channel": channel.id, "message": body}


METHODS: Mapping[str, Method] = {
    "auth.test": Method(_auth_test, split_names(""), tier=0),
    "users.info": Method(
        _users_info, split_names("user include_locale"), scope="users:read", tier=4
    ),
    "users.list": Method(
        _users_list,
        split_names("cursor include_locale limit presence"),
        scope="users:read",
        tier=2,
    ),
    "users.lookupByEmail": Method(_users_lookup_by_email, split_names("email"), scope=EMAIL_SCOPE),
    "bots.info": Method(_bots_info, split_names("bot"), scope="users:read"),
    "reactions.get": Method(
        _reactions_get,
        split_names("channel timestamp file file_comment full"),
        scope="reactions:read",
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
