"""`chat.startStream`, `chat.appendStream` and `chat.stopStream`."""

from collections.abc import Mapping
from dataclasses import replace

from fakeslack import block_kit
from fakeslack.errors import Json, SlackError
from fakeslack.state.agent_sessions import Status
from fakeslack.state.channels import Channel, Kind
from fakeslack.state.messages import Manner, Message
from fakeslack.state.people import TEAM
from fakeslack.state.streams import Stream
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.arguments import Arguments
from fakeslack.web_api.chat import metadata, place, signed, visible
from fakeslack.web_api.method import Method, takes

STATES = {False: "in_progress", True: "completed"}


def _start(workspace: Workspace, args: Arguments) -> Json:
    channel = place(workspace, args.required("channel"))
    thread_ts = args.text("thread_ts") or None
    watcher = _watcher(workspace, channel, args)
    if channel.kind is Kind.IM and thread_ts is None:
        raise SlackError("invalid_arguments", "[ERROR] missing required field: thread_ts")
    stream = Stream(workspace.elapsed())
    stream.feed(args.text("markdown_text"), args.items("chunks", "invalid_chunks"))
    body = {"text": stream.text, "blocks": stream.blocks or None, "thread_ts": thread_ts}
    whole = signed(workspace, {**body, "streaming_state": STATES[False]})
    message = workspace.post(channel.id, whole, Manner(unfurl_media=False))
    workspace.streams[channel.id, message.ts] = stream
    if watcher is not None:
        workspace.keep(replace(message, watcher=watcher, shown=message.body))
    if thread_ts is not None:
        workspace.sessions.set(channel.id, thread_ts, Status.PROCESSING)
    return {"channel": channel.id, "ts": message.ts}


def _watcher(workspace: Workspace, channel: Channel, args: Arguments) -> str | None:
    if channel.kind is Kind.IM:
        return None
    if channel.kind is Kind.MPIM:
        raise SlackError("channel_type_not_supported")
    for name in ("recipient_user_id", "recipient_team_id"):
        if not args.has(name):
            raise SlackError(f"missing_{name}")
    person = args.text("recipient_user_id")
    if person not in workspace.people or args.text("recipient_team_id") != TEAM:
        raise SlackError("user_not_found")
    return person


def _running(workspace: Workspace, args: Arguments) -> tuple[Message, Stream]:
    channel = visible(workspace, args.required("channel"))
    message = workspace.message(channel.id, args.required("ts"))
    if message.user != workspace.app.bot.id:
        raise SlackError("message_not_owned_by_app")
    stream = workspace.streams.get((channel.id, message.ts))
    if stream is None:
        raise SlackError("message_not_in_streaming_state")
    stream.must_run(workspace.elapsed())
    return message, stream


def _append(workspace: Workspace, args: Arguments) -> Json:
    message, stream = _running(workspace, args)
    if not args.has("markdown_text") and not args.has("chunks"):
        raise SlackError("markdown_text_or_chunks_required")
    stream.feed(args.text("markdown_text"), args.items("chunks", "invalid_chunks"))
    new = message.with_fields(text=stream.text, blocks=block_kit.named(stream.blocks))
    shown = message.shown
    if shown is not None and not shown.get("text"):
        shown = new.body  # others see the first piece and then nothing before the end
    workspace.edit(message, replace(new, shown=shown), streaming=True)
    return {"channel": message.channel, "ts": message.ts}


def _stop(workspace: Workspace, args: Arguments) -> Json:
    message, stream = _running(workspace, args)
    told = metadata(args)
    status = Status.named(args.text("session_status", Status.ACTIVE))
    stream.feed(args.text("markdown_text"), args.items("chunks", "invalid_chunks"))
    blocks = [*stream.blocks, *args.items("blocks", "invalid_blocks_format")]
    if not blocks:
        raise SlackError("no_text")
    checked = block_kit.checked(blocks) if len(stream.blocks) < len(blocks) else blocks
    new = message.with_fields(
        text=stream.text,
        blocks=block_kit.named(checked),
        metadata=told or None,
        streaming_state=STATES[True],
    )
    stream.finished = True
    workspace.edit(message, replace(new, shown=None, watcher=None))
    if message.thread_ts is not None:
        workspace.sessions.set(message.channel, message.thread_ts, status)
    return {"channel": message.channel, "ts": message.ts, "message": new.body}


FED = takes("channel markdown_text chunks")
METHODS: Mapping[str, Method] = {
    "chat.startStream": Method(
        _start,
        FED
        | takes("thread_ts recipient_user_id recipient_team_id task_display_mode")
        | takes("icon_emoji icon_url username"),
        scope="chat:write",
        tier=2,
    ),
    "chat.appendStream": Method(_append, FED | {"ts"}, scope="chat:write", tier=4),
    "chat.stopStream": Method(
        _stop, FED | takes("ts blocks metadata session_status"), scope="chat:write", tier=2
    ),
}
