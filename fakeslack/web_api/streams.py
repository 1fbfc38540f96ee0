"""`chat.startStream`, `chat.appendStream` and `chat.stopStream`."""

from collections.abc import Mapping
from dataclasses import replace

from fakeslack import block_kit
from fakeslack.errors import Json, SlackError
from fakeslack.state.agent_sessions import SessionStatus
from fakeslack.state.channels import Channel, ChannelType
from fakeslack.state.messages import Message, PostOptions
from fakeslack.state.people import TEAM_ID
from fakeslack.state.streams import Stream
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.arguments import Arguments
from fakeslack.web_api.chat import (
    build_bot_message,
    get_postable_channel,
    get_visible_channel,
    parse_metadata,
)
from fakeslack.web_api.method import Method, split_names

STREAMING_STATES = {False: "in_progress", True: "completed"}


def _chat_start_stream(workspace: Workspace, args: Arguments) -> Json:
    channel = get_postable_channel(workspace, args.require_text("channel"))
    thread_ts = args.get_text("thread_ts") or None
    recipient = _parse_recipient(workspace, channel, args)
    if channel.channel_type is ChannelType.IM and thread_ts is None:
        raise SlackError("invalid_arguments", "[ERROR] missing required field: thread_ts")
    stream = Stream(workspace.elapsed_seconds())
    stream.append_content(args.get_text("markdown_text"), args.get_list("chunks", "invalid_chunks"))
    body = {"text": stream.markdown_text, "blocks": stream.blocks or None, "thread_ts": thread_ts}
    full_body = build_bot_message(workspace, {**body, "streaming_state": STREAMING_STATES[False]})
    message = workspace.post_message(channel.id, full_body, PostOptions(unfurl_media=False))
    workspace.streams[channel.id, message.ts] = stream
    if recipient is not None:
        workspace.store_message(
            replace(message, stream_recipient=recipient, public_body=message.body)
        )
    if thread_ts is not None:
        workspace.agent_sessions.set_session_status(channel.id, thread_ts, SessionStatus.PROCESSING)
    return {"channel": channel.id, "ts": message.ts}


def _parse_recipient(workspace: Workspace, channel: Channel, args: Arguments) -> str | None:
    if channel.channel_type is ChannelType.IM:
        return None
    if channel.channel_type is ChannelType.MPIM:
        raise SlackError("channel_type_not_supported")
    for name in ("recipient_user_id", "recipient_team_id"):
        if not args.has_value(name):
            raise SlackError(f"missing_{name}")
    person = args.get_text("recipient_user_id")
    if person not in workspace.people or args.get_text("recipient_team_id") != TEAM_ID:
        raise SlackError("user_not_found")
    return person


def _get_running_stream(workspace: Workspace, args: Arguments) -> tuple[Message, Stream]:
    channel = get_visible_channel(workspace, args.require_text("channel"))
    message = workspace.get_message(channel.id, args.require_text("ts"))
    if message.user != workspace.app.bot.id:
        raise SlackError("message_not_owned_by_app")
    stream = workspace.streams.get((channel.id, message.ts))
    if stream is None:
        raise SlackError("message_not_in_streaming_state")
    stream.require_running(workspace.elapsed_seconds())
    return message, stream


def _chat_append_stream(workspace: Workspace, args: Arguments) -> Json:
    message, stream = _get_running_stream(workspace, args)
    if not args.has_value("markdown_text") and not args.has_value("chunks"):
        raise SlackError("markdown_text_or_chunks_required")
    stream.append_content(args.get_text("markdown_text"), args.get_list("chunks", "invalid_chunks"))
    updated = message.with_fields(
        text=stream.markdown_text, blocks=block_kit.assign_block_ids(stream.blocks)
    )
    public_body = message.public_body
    if public_body is not None and not public_body.get("text"):
        public_body = updated.body  # others see the first chunk, then nothing until the stream ends
    workspace.replace_message(message, replace(updated, public_body=public_body), streaming=True)
    return {"channel": message.channel, "ts": message.ts}


def _chat_stop_stream(workspace: Workspace, args: Arguments) -> Json:
    message, stream = _get_running_stream(workspace, args)
    message_metadata = parse_metadata(args)
    status = SessionStatus.parse_status(args.get_text("session_status", SessionStatus.ACTIVE))
    stream.append_content(args.get_text("markdown_text"), args.get_list("chunks", "invalid_chunks"))
    blocks = [*stream.blocks, *args.get_list("blocks", "invalid_blocks_format")]
    if not blocks:
        raise SlackError("no_text")
    valid_blocks = block_kit.validate_blocks(blocks) if len(stream.blocks) < len(blocks) else blocks
    updated = message.with_fields(
        text=stream.markdown_text,
        blocks=block_kit.assign_block_ids(valid_blocks),
        metadata=message_metadata or None,
        streaming_state=STREAMING_STATES[True],
    )
    stream.is_finished = True
    workspace.replace_message(message, replace(updated, public_body=None, stream_recipient=None))
    if message.thread_ts is not None:
        workspace.agent_sessions.set_session_status(message.channel, message.thread_ts, status)
    return {"channel": message.channel, "ts": message.ts, "message": updated.body}


STREAM_ARGUMENTS = split_names("channel markdown_text chunks")
METHODS: Mapping[str, Method] = {
    "chat.startStream": Method(
        _chat_start_stream,
        STREAM_ARGUMENTS
        | split_names("thread_ts recipient_user_id recipient_team_id task_display_mode")
        | split_names("icon_emoji icon_url username"),
        scope="chat:write",
        tier=2,
    ),
    "chat.appendStream": Method(
        _chat_append_stream, STREAM_ARGUMENTS | {"ts"}, scope="chat:write", tier=4
    ),
    "chat.stopStream": Method(
        _chat_stop_stream,
        STREAM_ARGUMENTS | split_names("ts blocks metadata session_status"),
        scope="chat:write",
        tier=2,
    ),
}
