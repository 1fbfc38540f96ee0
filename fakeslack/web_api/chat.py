"""`chat.*`: posting, editing and deleting, with Slack's limits on each."""

import json
from collections.abc import Mapping
from typing import Any

from fakeslack import block_kit
from fakeslack.errors import Json, SlackError
from fakeslack.state.channels import Channel
from fakeslack.state.messages import Manner, Message
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.arguments import Arguments
from fakeslack.web_api.method import Method, takes

TEXT_KEPT = 40_000
UPDATE_TEXT = 4_000
MARKDOWN_TEXT = 12_000
METADATA_SIZE = 8_000
ATTACHMENTS = 100
COMMON = takes("channel text blocks attachments markdown_text parse link_names as_user")
LOOKS = takes("icon_emoji icon_url username mrkdwn")


def place(workspace: Workspace, name: str) -> Channel:
    """Return the channel that the bot means; raises what Slack says where it may not post."""
    channel = visible(workspace, name)
    if workspace.app.bot.id not in channel.members:
        raise SlackError("not_in_channel")
    if channel.archived:
        raise SlackError("is_archived")
    return channel


def visible(workspace: Workspace, name: str) -> Channel:
    """Return a channel that the bot can know of; raises `channel_not_found`."""
    bot = workspace.app.bot
    if name.startswith(("U", "W")) and name in workspace.people:
        return workspace.direct([bot.id, name])
    channel = workspace.channel(name)
    if not channel.visible_to(bot.id):
        raise SlackError("channel_not_found")
    return channel


def metadata(args: Arguments) -> Json:
    """Return the metadata given; raises what Slack says of a wrong one."""
    given = args.fields("metadata", "invalid_metadata_format")
    if not given:
        return {}
    payload = given.get("event_payload", {})
    if not isinstance(given.get("event_type"), str) or not isinstance(payload, dict):
        raise SlackError("invalid_metadata_format")
    if set(given) - {"event_type", "event_payload", "entities"}:
        raise SlackError("invalid_metadata_format")
    if len(json.dumps(given)) > METADATA_SIZE:
        raise SlackError("metadata_too_large")
    return {"event_type": given["event_type"], "event_payload": payload}


def content(args: Arguments) -> Json:
    """Return text, blocks and attachments of a post; raises what Slack says of a wrong one."""
    blocks = args.items("blocks", "invalid_blocks_format")
    attachments = args.items("attachments", "invalid_attachments")
    markdown = args.text("markdown_text")
    if markdown:
        if blocks or args.has("text"):
            raise SlackError("markdown_text_conflict")
        if len(markdown) > MARKDOWN_TEXT:
            raise SlackError("msg_too_long")
        blocks = [{"type": "markdown", "text": markdown}]
    text = args.text("text") or markdown
    if not text.strip() and not blocks and not attachments:
        raise SlackError("no_text")
    if len(attachments) > ATTACHMENTS:
        raise SlackError("too_many_attachments")
    kept = block_kit.named(block_kit.checked(blocks))
    return {"text": text, "blocks": kept or None, "attachments": attachments or None}


def manner(args: Arguments, before: Manner | None = None, parse: str = "none") -> Manner:
    """Return how the caller wants the message treated; `before` is what the post asked."""
    return Manner(
        link_names=args.flag("link_names"),
        parse=args.text("parse", parse),
        unfurl_links=args.flag("unfurl_links", default=bool(before and before.unfurl_links)),
        unfurl_media=args.flag("unfurl_media", default=before is None or before.unfurl_media),
    )


def signed(workspace: Workspace, body: Mapping[str, Any]) -> Json:
    """Return the body of a message as the bot's own."""
    bot = workspace.app.bot
    whole = {
        "user": bot.id,
        "bot_id": bot.bot_id,
        "app_id": bot.app_id,
        "team": bot.team,
        "bot_profile": bot.bot_profile(),
        **body,
    }
    return {name: value for name, value in whole.items() if value is not None}


def own(workspace: Workspace, channel: Channel, ts: str, refusal: str) -> Message:
    """Return the bot's own message at `ts`; raises `refusal` where it is another's."""
    message = workspace.message(channel.id, ts)
    if message.is_tombstone:
        raise SlackError("message_not_found")
    if message.user != workspace.app.bot.id:
        raise SlackError(refusal)
    return message


def _post(workspace: Workspace, args: Arguments) -> Json:
    channel = place(workspace, args.required("channel"))
    body = content(args)
    told = metadata(args)
    cut = len(body["text"]) > TEXT_KEPT
    body["text"] = body["text"][:TEXT_KEPT]
    body |= {"thread_ts": args.text("thread_ts") or None, "metadata": told or None}
    if args.flag("reply_broadcast"):
        if body["thread_ts"] is None:
            raise SlackError("invalid_arguments", "[ERROR] reply_broadcast needs thread_ts")
        body["subtype"] = "thread_broadcast"
    message = workspace.post(channel.id, signed(workspace, body), manner(args))
    answer: Json = {"channel": channel.id, "ts": message.ts, "message": message.body}
    if cut:
        answer["warning"] = "message_truncated"
        answer["response_metadata"] = {"warnings": ["message_truncated"]}
    return answer


def _update(workspace: Workspace, args: Arguments) -> Json:
    channel = visible(workspace, args.required("channel"))
    ts = args.required("ts")
    if channel.archived:
        raise SlackError("is_inactive")
    if workspace.app.bot.id not in channel.members:
        raise SlackError("not_in_channel")
    message = own(workspace, channel, ts, "cant_update_message")
    if message.body.get("streaming_state") == "in_progress":
        raise SlackError("streaming_state_conflict")
    if len(args.text("text")) > UPDATE_TEXT:
        raise SlackError("msg_too_long")
    body = content(args)
    if args.has("metadata"):
        body["metadata"] = metadata(args) or None
    if args.has("text"):
        body["edited"] = {"user": workspace.app.bot.id, "ts": workspace.next_ts()}
    else:
        body["text"] = message.text
    new = message.with_fields(**body).in_manner(manner(args, message.manner, "client"))
    workspace.edit(message, new)
    return {"channel": channel.id, "ts": ts, "text": new.text, "message": new.body}


def _delete(workspace: Workspace, args: Arguments) -> Json:
    channel = visible(workspace, args.required("channel"))
    ts = args.required("ts")
    message = own(workspace, channel, ts, "cant_delete_message")
    workspace.delete(message)
    return {"channel": channel.id, "ts": ts}


def _whisper(workspace: Workspace, args: Arguments) -> Json:
    channel = place(workspace, args.required("channel"))
    person = args.required("user")
    if person not in channel.members:
        raise SlackError("user_not_in_channel")
    body = content(args)
    if len(body["text"]) > TEXT_KEPT:
        raise SlackError("msg_too_long")
    body["thread_ts"] = args.text("thread_ts") or None
    message = workspace.whisper(channel.id, person, signed(workspace, body), manner(args))
    return {"message_ts": message.ts}


def _permalink(workspace: Workspace, args: Arguments) -> Json:
    channel = visible(workspace, args.required("channel"))
    message = workspace.message(channel.id, args.required("message_ts"))
    link = f"{workspace.address}/archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.is_reply:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}


METHODS: Mapping[str, Method] = {
    "chat.postMessage": Method(
        _post,
        COMMON | LOOKS | takes("thread_ts reply_broadcast metadata unfurl_links unfurl_media"),
        scope="chat:write",
        tier=0,
    ),
    "chat.update": Method(
        _update, COMMON | takes("ts metadata reply_broadcast file_ids"), scope="chat:write"
    ),
    "chat.delete": Method(_delete, takes("channel ts as_user"), scope="chat:write"),
    "chat.postEphemeral": Method(
        _whisper, COMMON | LOOKS | takes("user thread_ts"), scope="chat:write", tier=4
    ),
    "chat.getPermalink": Method(_permalink, takes("channel message_ts"), tier=0),
}
