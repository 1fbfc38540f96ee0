"""`conversations.*`: channels, history, replies, members and direct messages."""

from collections.abc import Mapping, Sequence

from fakeslack.errors import Json, SlackError
from fakeslack.state.channels import Channel, ChannelType
from fakeslack.state.history import MessagePage, TimeRange, paginate_messages
from fakeslack.state.messages import Message
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.arguments import MAX_LIMIT, Arguments, build_page, parse_limit
from fakeslack.web_api.chat import get_visible_channel
from fakeslack.web_api.method import Method, split_names

DEFAULT_LIMIT = 100
MAX_DM_PEOPLE = 8
CHANNEL_TYPES = {
    "public_channel": ChannelType.CHANNEL,
    "private_channel": ChannelType.GROUP,
    "mpim": ChannelType.MPIM,
    "im": ChannelType.IM,
}
HISTORY_ARGUMENTS = split_names("channel cursor limit oldest latest inclusive include_all_metadata")


def _parse_range(args: Arguments) -> TimeRange:
    for name in ("oldest", "latest"):
        try:
            float(args.get_text(name) or 0)
        except ValueError:
            raise SlackError(f"invalid_ts_{name}") from None
    return TimeRange(args.get_text("oldest"), args.get_text("latest"), args.get_flag("inclusive"))


def _get_readable_channel(workspace: Workspace, args: Arguments) -> Channel:
    channel = get_visible_channel(workspace, args.require_text("channel"))
    if workspace.app.bot.id not in channel.members:
        raise SlackError("not_in_channel")
    workspace.app.require_scope(f"{channel.channel_type.scope_family}:history")
    return channel


def _message_bodies(
    workspace: Workspace, channel: Channel, messages: Sequence[Message], args: Arguments
) -> list[Json]:
    history = workspace.channel_history(channel.id)
    include_metadata = args.get_flag("include_all_metadata")
    return [
        (message.body if include_metadata else message.without_metadata())
        | history.thread_summary(message)
        for message in messages
    ]


def _page_response(bodies: list[Json], message_page: MessagePage) -> Json:
    answer: Json = {"messages": bodies, "has_more": bool(message_page.next_cursor)}
    if message_page.next_cursor:
        answer["response_metadata"] = {"next_cursor": message_page.next_cursor}
    return answer


def _conversations_replies(workspace: Workspace, args: Arguments) -> Json:
    channel = _get_readable_channel(workspace, args)
    root = workspace.channel_history(channel.id).find_message(args.require_text("ts"))
    if root is None:
        raise SlackError("thread_not_found")
    time_range, limit = _parse_range(args), parse_limit(args, MAX_LIMIT)
    replies = [
        r
        for r in workspace.channel_history(channel.id).thread_replies(root.ts)
        if time_range.contains_ts(r.ts)
    ]
    message_page = paginate_messages(replies, limit, args.get_text("cursor"))
    return _page_response(
        _message_bodies(workspace, channel, [root, *message_page.messages], args), message_page
    )


def _conversations_history(workspace: Workspace, args: Arguments) -> Json:
    channel = _get_readable_channel(workspace, args)
    time_range = _parse_range(args)
    newest_first = [
        message
        for message in reversed(workspace.channel_history(channel.id).channel_messages())
        if time_range.contains_ts(message.ts)
    ]
    message_page = paginate_messages(
        newest_first, parse_limit(args, DEFAULT_LIMIT), args.get_text("cursor")
    )
    return _page_response(
        _message_bodies(workspace, channel, message_page.messages, args), message_page
    )


def _conversations_info(workspace: Workspace, args: Arguments) -> Json:
    channel = get_visible_channel(workspace, args.require_text("channel"))
    workspace.app.require_scope(f"{channel.channel_type.scope_family}:read")
    body = channel.as_slack(workspace.app.bot.id)
    if args.get_flag("include_num_members"):
        body["num_members"] = len(channel.members)
    return {"channel": body}


def _conversations_members(workspace: Workspace, args: Arguments) -> Json:
    channel = get_visible_channel(workspace, args.require_text("channel"))
    workspace.app.require_scope(f"{channel.channel_type.scope_family}:read")
    return build_page(args, "members", channel.members, DEFAULT_LIMIT)


def _users_conversations(workspace: Workspace, args: Arguments) -> Json:
    return _list_channels(workspace, args, is_joined=True)


def _conversations_list(workspace: Workspace, args: Arguments) -> Json:
    return _list_channels(workspace, args, is_joined=False)


def _list_channels(workspace: Workspace, args: Arguments, *, is_joined: bool) -> Json:
    """Return the channels that the bot has joined, or all that it sees."""
    bot, types = workspace.app.bot.id, (args.get_text("types") or "public_channel").split(",")
    if not set(types) <= set(CHANNEL_TYPES):
        raise SlackError("invalid_types")
    for name in types:
        workspace.app.require_scope(f"{CHANNEL_TYPES[name].scope_family}:read")
    channel_types = {CHANNEL_TYPES[name] for name in types}
    found = [
        channel.as_slack(bot) | ({} if is_joined else {"num_members": len(channel.members)})
        for channel in workspace.channels.values()
        if channel.channel_type in channel_types
        if bot in channel.members or (not is_joined and channel.is_visible_to(bot))
        if not (channel.is_archived and args.get_flag("exclude_archived"))
    ]
    return build_page(args, "channels", found, DEFAULT_LIMIT)


def _conversations_join(workspace: Workspace, args: Arguments) -> Json:
    channel = get_visible_channel(workspace, args.require_text("channel"))
    bot = workspace.app.bot.id
    if channel.channel_type is not ChannelType.CHANNEL:
        raise SlackError("method_not_supported_for_channel_type")
    if channel.is_archived:
        raise SlackError("is_archived")
    answer: Json = {}
    if bot in channel.members:
        answer["warning"] = "already_in_channel"
        answer["response_metadata"] = {"warnings": ["already_in_channel"]}
    else:
        workspace.join_channel(channel.id, bot)
    return {"channel": channel.as_slack(bot), **answer}


def _conversations_open(workspace: Workspace, args: Arguments) -> Json:
    bot = workspace.app.bot.id
    if args.has_value("channel"):
        channel = get_visible_channel(workspace, args.get_text("channel"))
    else:
        people = [name for name in args.get_text("users").split(",") if name]
        if not people:
            raise SlackError("users_list_not_supplied")
        if len(people) > MAX_DM_PEOPLE:
            raise SlackError("too_many_users")
        channel = workspace.open_dm([bot, *people])
    return_im = args.get_flag("return_im")
    return {"channel": channel.as_slack(bot) if return_im else {"id": channel.id}}


METHODS: Mapping[str, Method] = {
    "conversations.replies": Method(_conversations_replies, HISTORY_ARGUMENTS | {"ts"}),
    "conversations.history": Method(_conversations_history, HISTORY_ARGUMENTS),
    "conversations.info": Method(
        _conversations_info, split_names("channel include_locale include_num_members")
    ),
    "conversations.members": Method(
        _conversations_members, split_names("channel cursor limit"), tier=4
    ),
    "users.conversations": Method(
        _users_conversations, split_names("types exclude_archived limit cursor user")
    ),
    "conversations.list": Method(
        _conversations_list, split_names("types exclude_archived limit cursor"), tier=2
    ),
    "conversations.join": Method(
        _conversations_join, split_names("channel"), scope="channels:join"
    ),
    "conversations.open": Method(
        _conversations_open,
        split_names("channel users return_im prevent_creation"),
        scope="im:write",
    ),
}
