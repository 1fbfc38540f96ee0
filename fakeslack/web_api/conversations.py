"""`conversations.*`: listing and reading channels and threads, and opening direct messages."""

from collections.abc import Mapping, Sequence

from fakeslack.errors import Json, SlackError
from fakeslack.state.channels import Channel, Kind
from fakeslack.state.history import Page, Span, page
from fakeslack.state.messages import Message
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.arguments import Arguments
from fakeslack.web_api.chat import visible
from fakeslack.web_api.method import Method, takes

MOST = 1_000
USUAL = 100
PEOPLE_TOGETHER = 8
TYPES = {
    "public_channel": Kind.CHANNEL,
    "private_channel": Kind.GROUP,
    "mpim": Kind.MPIM,
    "im": Kind.IM,
}
STRETCH = takes("channel cursor limit oldest latest inclusive include_all_metadata")


def _limit(args: Arguments, usual: int) -> int:
    limit = args.number("limit", usual, "invalid_limit")
    if limit < 1:
        raise SlackError("invalid_limit")
    return min(limit, MOST)


def _span(args: Arguments) -> Span:
    for name in ("oldest", "latest"):
        try:
            float(args.text(name) or 0)
        except ValueError:
            raise SlackError(f"invalid_ts_{name}") from None
    return Span(args.text("oldest"), args.text("latest"), args.flag("inclusive"))


def _read(workspace: Workspace, args: Arguments) -> Channel:
    channel = visible(workspace, args.required("channel"))
    if workspace.app.bot.id not in channel.members:
        raise SlackError("not_in_channel")
    workspace.app.need(f"{channel.kind.scope}:history")
    return channel


def _shown(
    workspace: Workspace, channel: Channel, messages: Sequence[Message], args: Arguments
) -> list[Json]:
    history = workspace.history(channel.id)
    whole = args.flag("include_all_metadata")
    return [
        (message.body if whole else message.without_metadata()) | history.summary(message)
        for message in messages
    ]


def _answer(shown: list[Json], sheet: Page) -> Json:
    answer: Json = {"messages": shown, "has_more": bool(sheet.next_cursor)}
    if sheet.next_cursor:
        answer["response_metadata"] = {"next_cursor": sheet.next_cursor}
    return answer


def _replies(workspace: Workspace, args: Arguments) -> Json:
    channel = _read(workspace, args)
    root = workspace.history(channel.id).find(args.required("ts"))
    if root is None:
        raise SlackError("thread_not_found")
    span, limit = _span(args), _limit(args, MOST)
    replies = [r for r in workspace.history(channel.id).replies(root.ts) if span.holds(r.ts)]
    sheet = page(replies, limit, args.text("cursor"))
    return _answer(_shown(workspace, channel, [root, *sheet.messages], args), sheet)


def _history(workspace: Workspace, args: Arguments) -> Json:
    channel = _read(workspace, args)
    span = _span(args)
    newest_first = [
        message
        for message in reversed(workspace.history(channel.id).in_channel())
        if span.holds(message.ts)
    ]
    sheet = page(newest_first, _limit(args, USUAL), args.text("cursor"))
    return _answer(_shown(workspace, channel, sheet.messages, args), sheet)


def _info(workspace: Workspace, args: Arguments) -> Json:
    channel = visible(workspace, args.required("channel"))
    workspace.app.need(f"{channel.kind.scope}:read")
    body = channel.as_slack(workspace.app.bot.id)
    if args.flag("include_num_members"):
        body["num_members"] = len(channel.members)
    return {"channel": body}


def _members(workspace: Workspace, args: Arguments) -> Json:
    channel = visible(workspace, args.required("channel"))
    workspace.app.need(f"{channel.kind.scope}:read")
    limit = _limit(args, USUAL)
    start = args.number("cursor", 0, "invalid_cursor")
    following = start + limit
    more = str(following) if following < len(channel.members) else ""
    return {
        "members": channel.members[start:following],
        "response_metadata": {"next_cursor": more},
    }


def _mine(workspace: Workspace, args: Arguments) -> Json:
    bot, types = workspace.app.bot.id, (args.text("types") or "public_channel").split(",")
    if not set(types) <= set(TYPES):
        raise SlackError("invalid_types")
    for name in types:
        workspace.app.need(f"{TYPES[name].scope}:read")
    kinds = {TYPES[name] for name in types}
    found = [
        channel.as_slack(bot)
        for channel in workspace.channels.values()
        if channel.kind in kinds and bot in channel.members
        if not (channel.archived and args.flag("exclude_archived"))
    ]
    start, limit = args.number("cursor", 0, "invalid_cursor"), _limit(args, USUAL)
    more = str(start + limit) if start + limit < len(found) else ""
    return {
        "channels": found[start : start + limit],
        "response_metadata": {"next_cursor": more},
    }


def _open(workspace: Workspace, args: Arguments) -> Json:
    bot = workspace.app.bot.id
    if args.has("channel"):
        channel = visible(workspace, args.text("channel"))
    else:
        people = [name for name in args.text("users").split(",") if name]
        if not people:
            raise SlackError("users_list_not_supplied")
        if len(people) > PEOPLE_TOGETHER:
            raise SlackError("too_many_users")
        channel = workspace.direct([bot, *people])
    whole = args.flag("return_im")
    return {"channel": channel.as_slack(bot) if whole else {"id": channel.id}}


METHODS: Mapping[str, Method] = {
    "conversations.replies": Method(_replies, STRETCH | {"ts"}),
    "conversations.history": Method(_history, STRETCH),
    "conversations.info": Method(_info, takes("channel include_locale include_num_members")),
    "conversations.members": Method(_members, takes("channel cursor limit"), tier=4),
    "users.conversations": Method(_mine, takes("types exclude_archived limit cursor user team_id")),
    "conversations.open": Method(
        _open, takes("channel users return_im prevent_creation"), scope="im:write"
    ),
}
