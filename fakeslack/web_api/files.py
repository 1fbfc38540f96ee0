"""`files.*`: three-step uploads, file information and downloads."""

import asyncio
from base64 import b64decode
from collections.abc import Mapping

from aiohttp import web

from fakeslack import block_kit
from fakeslack.errors import Json, SlackError
from fakeslack.state.changes import Change, ChangeKind
from fakeslack.state.files import File
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.arguments import Arguments, missing_argument
from fakeslack.web_api.chat import build_bot_message, get_postable_channel
from fakeslack.web_api.method import Method, split_names

SHARE_DELAY_SECONDS = 0.1
"""Delay between the response and the message that shares the files."""
MAX_CHANNELS = 100
MAX_ALT_TEXT_CHARACTERS = 1_000
PUBLIC_CHANNEL_TYPES = {"channel"}
SIGN_IN_PAGE = "<!DOCTYPE html><html><body><h1>Sign in to Workspace</h1></body></html>"


def _files_get_upload_url_external(workspace: Workspace, args: Arguments) -> Json:
    name, length = args.require_text("filename"), args.get_number("length", 0)
    if length < 1:
        raise missing_argument("length")
    if len(args.get_text("alt_txt")) > MAX_ALT_TEXT_CHARACTERS:
        raise SlackError("alt_txt_too_large")
    bot = workspace.app.bot.id
    file = workspace.files.reserve_upload(bot, name, length, args.get_text("snippet_type"))
    return {"upload_url": f"{workspace.base_url}/upload/v1/{file.id}", "file_id": file.id}


def _files_complete_upload_external(workspace: Workspace, args: Arguments) -> Json:
    uploads = args.get_list("files")
    if not uploads:
        raise missing_argument("files")
    channel_refs = (args.get_text("channel_id") or args.get_text("channels")).split(",")
    channels = [get_postable_channel(workspace, ref.strip()).id for ref in channel_refs if ref]
    if len(channels) > MAX_CHANNELS:
        raise SlackError("channels_limit_exceeded")
    blocks = block_kit.validate_blocks(args.get_list("blocks", "invalid_blocks"))
    thread_ts = args.get_text("thread_ts") or None
    if thread_ts is not None:
        for channel in channels:
            workspace.get_thread_root(channel, thread_ts)
    files = [
        workspace.files.complete_upload(str(upload.get("id")), str(upload.get("title") or ""))
        for upload in uploads
        if isinstance(upload, dict)
    ]
    for channel in channels:
        text = args.get_text("initial_comment")
        body = build_bot_message(
            workspace, {"text": text, "thread_ts": thread_ts, "blocks": blocks or None}
        )
        asyncio.get_running_loop().call_later(
            SHARE_DELAY_SECONDS, share_files, workspace, channel, body, files
        )
    return {"files": [file.as_slack(workspace.base_url) for file in files]}


def share_files(workspace: Workspace, channel: str, body: Json, files: list[File]) -> str:
    """Post a message with files; return its ts, or an empty string if its thread is gone."""
    file_objects = [file.as_shared(workspace.base_url) for file in files]
    full_body = {**body, "subtype": "file_share", "upload": True, "files": file_objects}
    try:
        message = workspace.post_message(channel, full_body)
    except SlackError:
        return ""
    for file in files:
        workspace.files.record_share(file, channel, message.ts, message.thread_ts)
    return message.ts


def create_file(workspace: Workspace, owner: str, fields: Json) -> File:
    """
    Create a person's file from `content`, or from `base64` if it is no text.

    Raises `invalid_arguments` if its content or size is malformed.
    """
    try:
        content = b64decode(str(fields.get("base64", "")), validate=True)
        size = int(fields["size"]) if "size" in fields else None
    except ValueError:
        raise SlackError("invalid_arguments") from None
    content = content or str(fields.get("content", "")).encode()
    file = workspace.files.reserve_upload(owner, str(fields.get("name", "")), len(content))
    workspace.files.store_content(file.id, content)
    workspace.files.complete_upload(file.id, str(fields.get("title", "")))
    file.length = file.length if size is None else size
    if b"\0" in content and file.is_text:
        file.mimetype = "application/octet-stream"
    file.mimetype = str(fields.get("mimetype", file.mimetype))
    file.redirect_url = str(fields.get("redirect", ""))
    file.needs_info = bool(fields.get("needs_info"))
    return file


def delete_file(workspace: Workspace, file_id: str) -> None:
    """Delete a file: its messages keep a tombstone of it. Raises the errors of `get_file`."""
    file = workspace.files.delete_file(file_id)
    for channel, shares in file.shares.items():
        for share in shares:
            message = workspace.channel_history(channel).find_message(share["ts"])
            if message is not None and "files" in message.body:
                objects = [
                    file.as_shared(workspace.base_url) if known["id"] == file_id else known
                    for known in message.body["files"]
                ]
                workspace.replace_message(message, message.with_fields(files=objects))
    event = {"type": "file_deleted", "file_id": file_id}
    workspace.publish_change(Change(ChangeKind.FILE_DELETED, detail={"event": event}))


def _files_info(workspace: Workspace, args: Arguments) -> Json:
    file = workspace.files.get_file(args.require_text("file"))
    if not file.is_complete or not _can_see_file(workspace, file):
        raise SlackError("file_not_found")
    shares_by_kind: dict[str, Json] = {"public": {}, "private": {}}
    for name, shares in file.shares.items():
        kind = (
            "public" if workspace.channels[name].channel_type in PUBLIC_CHANNEL_TYPES else "private"
        )
        shares_by_kind[kind][name] = shares
    body = file.as_slack(workspace.base_url)
    body |= {
        "channels": file.channels,
        "shares": {kind: s for kind, s in shares_by_kind.items() if s},
    }
    return {"file": body, "comments": [], "response_metadata": {"next_cursor": ""}}


def _files_delete(workspace: Workspace, args: Arguments) -> Json:
    file = workspace.files.get_file(args.require_text("file"))
    if file.owner != workspace.app.bot.id:
        raise SlackError("cant_delete_file")
    delete_file(workspace, file.id)
    return {}


def _can_see_file(workspace: Workspace, file: File) -> bool:
    bot = workspace.app.bot.id
    return file.owner == bot or any(
        bot in workspace.channels[name].members for name in file.channels
    )


class FileRoutes:
    """Upload and download of file contents; a download needs the bot token."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def file_routes(self) -> list[web.RouteDef]:
        """Return the upload and download routes."""
        return [
            web.post("/upload/v1/{file}", self._upload_content),
            web.get("/files-pri/{file}/{name}", self._download_content),
            web.get("/files-pri/{file}/download/{name}", self._download_content),
            web.get("/signin", self._serve_sign_in_page),
        ]

    async def _upload_content(self, request: web.Request) -> web.Response:
        if request.content_type == "multipart/form-data":
            form = await request.post()
            parts = [part for part in form.values() if isinstance(part, web.FileField)]
            content = parts[0].file.read() if parts else b""
        else:
            content = await request.read()
        file = self._workspace.files.store_content(request.match_info["file"], content)
        return web.Response(text=f"OK - {file.length}")

    async def _download_content(self, request: web.Request) -> web.Response:
        app = self._workspace.app
        allowed = request.headers.get("Authorization") == f"Bearer {app.bot_token}"
        if not allowed or "files:read" not in app.scopes:
            raise web.HTTPFound(f"/signin?redir={request.path}")
        try:
            file = self._workspace.files.get_file(request.match_info["file"].partition("-")[2])
        except SlackError:
            raise web.HTTPNotFound from None
        if file.content is None or not _can_see_file(self._workspace, file):
            raise web.HTTPNotFound
        if file.redirect_url:
            raise web.HTTPFound(file.redirect_url)
        return web.Response(body=file.content, content_type=file.mimetype)

    async def _serve_sign_in_page(self, _request: web.Request) -> web.Response:
        return web.Response(text=SIGN_IN_PAGE, content_type="text/html")


METHODS: Mapping[str, Method] = {
    "files.delete": Method(_files_delete, split_names("file"), scope="files:write"),
    "files.getUploadURLExternal": Method(
        _files_get_upload_url_external,
        split_names("filename length alt_txt snippet_type"),
        scope="files:write",
        tier=4,
    ),
    "files.completeUploadExternal": Method(
        _files_complete_upload_external,
        split_names("files channel_id channels initial_comment thread_ts blocks"),
        scope="files:write",
        tier=4,
    ),
    "files.info": Method(
        _files_info, split_names("file count cursor limit page"), scope="files:read", tier=4
    ),
}
