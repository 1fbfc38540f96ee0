"""`chat.*`: posting, editing and deleting messages, with Slack's limits."""

import json
from collections.abc import Mapping
from typing import Any

from fakeslack import block_kit
from fakeslack.errors import Json, SlackError
from fakeslack.state.channels import Channel
from fakeslack.state.messages import Message, PostOptions
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.arguments import Arguments
from fakeslack.web_api.method import Method, split_names

MAX_TEXT_CHARACTERS = 40_000
MAX_UPDATE_CHARACTERS = 4_000
MAX_MARKDOWN_CHARACTERS = 12_000
MAX_METADATA_CHARACTERS = 8_000
METADATA_TYPES: Mapping[str, type] = {"event_type": str, "event_payload": dict, "entities": list}
MAX_ATTACHMENTS = 100
CONTENT_ARGUMENTS = split_names(
    "channel text blocks attachments markdown_text parse link_names as_user"
)
APPEARANCE_ARGUMENTS = split_names("icon_emoji icon_url username mrkdwn")


def get_postable_channel(workspace: Workspace, channel_id: str) -> Channel:
    """
    Return a channel that the bot may post in.

    Raises `channel_not_found`, `not_in_channel` or `is_archived` if it may not.
    """
    channel = get_visible_channel(workspace, channel_id)
    if workspace.app.bot.id not in channel.members:
        raise SlackError("not_in_channel")
    if channel.is_archived:
        raise SlackError("is_archived")
    return channel


def get_visible_channel(workspace: Workspace, channel_id: str) -> Channel:
    """Return a channel that the bot can see. Raises `channel_not_found` if there is none."""
    bot = workspace.app.bot
    if channel_id.startswith(("U", "W")) and channel_id in workspace.people:
        return workspace.open_dm([bot.id, channel_id])
    channel = workspace.get_channel(channel_id)
    if not channel.is_visible_to(bot.id):
        raise SlackError("channel_not_found")
    return channel


def parse_metadata(args: Arguments) -> Json:
    """Return the given metadata. Raises `invalid_metadata_format` or `metadata_too_large`."""
    metadata = args.get_object("metadata", "invalid_metadata_format")
    if not metadata:
        return {}
    if "event_type" in metadata:
        metadata = {"event_payload": {}, **metadata}
    has_known_fields = all(
        isinstance(value, METADATA_TYPES.get(name, ())) for name, value in metadata.items()
    )
    if not has_known_fields or ("event_payload" in metadata) != ("event_type" in metadata):
        raise SlackError("invalid_metadata_format")
    if len(json.dumps(metadata)) > MAX_METADATA_CHARACTERS:
        raise SlackError("metadata_too_large")
    return metadata


def parse_content(args: Arguments) -> Json:
    """Return text, blocks and attachments of a post. Raises Slack's error if they are invalid."""
    blocks = args.get_list("blocks", "invalid_blocks_format")
    attachments = args.get_list("attachments", "invalid_attachments")
    markdown = args.get_text("markdown_text")
    if markdown:
        if blocks or args.has_value("text"):
            raise SlackError("markdown_text_conflict")
        if len(markdown) > MAX_MARKDOWN_CHARACTERS:
            raise SlackError("msg_too_long")
        blocks = [{"type": "markdown", "text": markdown}]
    text = args.get_text("text") or markdown
    if not text.strip() and not blocks and not attachments:
        raise SlackError("no_text")
    if not all(isinstance(attachment, dict) for attachment in attachments):
        raise SlackError("invalid_attachments")
    if len(attachments) > MAX_ATTACHMENTS:
        raise SlackError("too_many_attachments")
    checked_blocks = block_kit.assign_block_ids(block_kit.validate_blocks(blocks))
    return {"text": text, "blocks": checked_blocks or None, "attachments": attachments or None}


def parse_post_options(
    args: Arguments, previous: PostOptions | None = None, parse: str = "none"
) -> PostOptions:
    """Return the options of a post; an edit inherits its unfurl flags from `previous`."""
    return PostOptions(
        link_names=args.get_flag("link_names"),
        parse=args.get_text("parse", parse),
        unfurl_links=args.get_flag(
            "unfurl_links", default=bool(previous and previous.unfurl_links)
        ),
        unfurl_media=args.get_flag(
            "unfurl_media", default=previous is None or previous.unfurl_media
        ),
        mrkdwn=args.get_flag("mrkdwn", default=previous is None or previous.mrkdwn),
        # Slack links URLs unless the caller says `none`, which is also the default.
        link_urls=args.get_text("parse") != "none",
    )


def build_bot_message(workspace: Workspace, body: Mapping[str, Any]) -> Json:
    """Return a message body with the bot as its author."""
    bot = workspace.app.bot
    full_body = {
        "user": bot.id,
        "bot_id": bot.bot_id,
        "app_id": bot.app_id,
        "team": bot.team,
        "bot_profile": bot.bot_profile(),
        **body,
    }
    return {name: value for name, value in full_body.items() if value is not None}


def get_own_message(workspace: Workspace, channel: Channel, ts: str, error: str) -> Message:
    """Return the bot's message at `ts`. Raises `error` if another user wrote it."""
    message = workspace.get_message(channel.id, ts)
    if message.is_tombstone:
        raise SlackError("message_not_found")
    if message.user != workspace.app.bot.id:
        raise SlackError(error)
    return message


def _chat_post_message(workspace: Workspace, args: Arguments) -> Json:
    channel = get_postable_channel(workspace, args.require_text("channel"))
    body = parse_content(args)
    message_metadata = parse_metadata(args)
    is_truncated = len(body["text"]) > MAX_TEXT_CHARACTERS
    body["text"] = body["text"][:MAX_TEXT_CHARACTERS]
    body |= {"thread_ts": args.get_text("thread_ts") or None, "metadata": message_metadata or None}
    if args.get_flag("reply_broadcast"):
        if body["thread_ts"] is None:
            raise SlackError("invalid_arguments", "[ERROR] reply_broadcast needs thread_ts")
        body["subtype"] = "thread_broadcast"
    message = workspace.post_message(
        channel.id, build_bot_message(workspace, body), parse_post_options(args)
    )
    answer: Json = {"channel": channel.id, "ts": message.ts, "message": message.body}
    if is_truncated:
        answer["warning"] = "message_truncated"
        answer["response_metadata"] = {"warnings": ["message_truncated"]}
    return answer


def _chat_update(workspace: Workspace, args: Arguments) -> Json:
    channel = get_visible_channel(workspace, args.require_text("channel"))
    ts = args.require_text("ts")
    if channel.is_archived:
        raise SlackError("is_inactive")
    if workspace.app.bot.id not in channel.members:
        raise SlackError("not_in_channel")
    message = get_own_message(workspace, channel, ts, "cant_update_message")
    if message.body.get("streaming_state") == "in_progress":
        raise SlackError("streaming_state_conflict")
    if len(args.get_text("text")) > MAX_UPDATE_CHARACTERS:
        raise SlackError("msg_too_long")
    body = _parse_changes(args)
    if args.has_value("metadata"):
        body["metadata"] = parse_metadata(args) or None
    if "text" in body:
        # In Slack's answers, the editor is the app's bot, not its user.
        body["edited"] = {"user": workspace.app.bot.bot_id, "ts": workspace.next_ts()}
    options = parse_post_options(args, message.options, "client")
    updated = message.with_fields(**body).with_options(options).with_text_block()
    workspace.replace_message(message, updated)
    return {"channel": channel.id, "ts": ts, "text": updated.text, "message": updated.body}


def _parse_changes(args: Arguments) -> Json:
    """Return what an update changes: a text replaces blocks, attachments stay if not given."""
    content = parse_content(args)
    if not args.has_value("text") and not args.has_value("markdown_text"):
        del content["text"]
        if "blocks" not in args.values:
            del content["blocks"]
    if "attachments" not in args.values:
        del content["attachments"]
    return content


def _chat_delete(workspace: Workspace, args: Arguments) -> Json:
    channel = get_visible_channel(workspace, args.require_text("channel"))
    ts = args.require_text("ts")
    message = get_own_message(workspace, channel, ts, "cant_delete_message")
    workspace.delete_message(message)
    return {"channel": channel.id, "ts": ts}


def _chat_post_ephemeral(workspace: Workspace, args: Arguments) -> Json:
    channel = get_postable_channel(workspace, args.require_text("channel"))
    person = args.require_text("user")
    if person not in channel.members:
        raise SlackError("user_not_in_channel")
    body = parse_content(args)
    if len(body["text"]) > MAX_TEXT_CHARACTERS:
        raise SlackError("msg_too_long")
    body["thread_ts"] = args.get_text("thread_ts") or None
    message = workspace.post_ephemeral(
        channel.id, person, build_bot_message(workspace, body), parse_post_options(args)
    )
    return {"message_ts": message.ts}


def _chat_get_permalink(workspace: Workspace, args: Arguments) -> Json:
    channel = get_visible_channel(workspace, args.require_text("channel"))
    message = workspace.get_message(channel.id, args.require_text("message_ts"))
    link = f"{workspace.base_url}/archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.is_reply:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}


METHODS: Mapping[str, Method] = {
    "chat.postMessage": Method(
        _chat_post_message,
        CONTENT_ARGUMENTS
        | APPEARANCE_ARGUMENTS
        | split_names("thread_ts reply_broadcast metadata unfurl_links unfurl_media"),
        scope="chat:write",
        tier=0,
    ),
    "chat.update": Method(
        _chat_update,
        CONTENT_ARGUMENTS | split_names("ts metadata reply_broadcast file_ids"),
        scope="chat:write",
    ),
    "chat.delete": Method(_chat_delete, split_names("channel ts as_user"), scope="chat:write"),
    "chat.postEphemeral": Method(
        _chat_post_ephemeral,
        CONTENT_ARGUMENTS | APPEARANCE_ARGUMENTS | split_names("user thread_ts"),
        scope="chat:write",
        tier=4,
    ),
    "chat.getPermalink": Method(_chat_get_permalink, split_names("channel message_ts"), tier=0),
}
