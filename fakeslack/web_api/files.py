"""`files.*`: uploading in three steps, asking about a file, downloading it."""

import asyncio
from collections.abc import Mapping

from aiohttp import web

from fakeslack import block_kit
from fakeslack.errors import Json, SlackError
from fakeslack.state.files import File
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.arguments import Arguments, missing
from fakeslack.web_api.chat import place, signed
from fakeslack.web_api.method import Method, takes

SHARE_SECONDS = 0.1
"""How long after the answer the message with the files appears."""
LONGEST_ALT_TEXT = 1_000
PUBLIC = {"channel"}
SIGN_IN = "<!DOCTYPE html><html><body><h1>Sign in to Workspace</h1></body></html>"


def _reserve(workspace: Workspace, args: Arguments) -> Json:
    name, length = args.required("filename"), args.number("length", 0)
    if length < 1:
        raise missing("length")
    if len(args.text("alt_txt")) > LONGEST_ALT_TEXT:
        raise SlackError("alt_txt_too_large")
    bot = workspace.app.bot.id
    file = workspace.files.reserve(bot, name, length, args.text("snippet_type"))
    return {"upload_url": f"{workspace.address}/upload/v1/{file.id}", "file_id": file.id}


def _complete(workspace: Workspace, args: Arguments) -> Json:
    wishes = args.items("files")
    if not wishes:
        raise missing("files")
    target = args.text("channel_id") or args.text("channels")
    channel = place(workspace, target).id if target else None
    blocks = block_kit.checked(args.items("blocks", "invalid_blocks"))
    thread_ts = args.text("thread_ts") or None
    if channel is not None and thread_ts is not None:
        workspace.root(channel, thread_ts)
    files = [
        workspace.files.finish(str(wish.get("id")), str(wish.get("title") or ""))
        for wish in wishes
        if isinstance(wish, dict)
    ]
    if channel is not None:
        text = args.text("initial_comment")
        body = signed(workspace, {"text": text, "thread_ts": thread_ts, "blocks": blocks or None})
        asyncio.get_running_loop().call_later(SHARE_SECONDS, share, workspace, channel, body, files)
    return {"files": [file.as_slack(workspace.address) for file in files]}


def share(workspace: Workspace, channel: str, body: Json, files: list[File]) -> str:
    """Post a message with files in it; returns its ts, or nothing where the thread is gone."""
    shown = [file.as_slack(workspace.address) for file in files]
    whole = {**body, "subtype": "file_share", "upload": True, "files": shown}
    try:
        message = workspace.post(channel, whole)
    except SlackError:
        return ""
    for file in files:
        workspace.files.shared(file, channel, message.ts, message.thread_ts)
    return message.ts


def _info(workspace: Workspace, args: Arguments) -> Json:
    file = workspace.files.find(args.required("file"))
    if not file.complete or not _visible(workspace, file):
        raise SlackError("file_not_found")
    kinds: dict[str, Json] = {"public": {}, "private": {}}
    for name, shares in file.shares.items():
        kind = "public" if workspace.channels[name].kind in PUBLIC else "private"
        kinds[kind][name] = shares
    body = file.as_slack(workspace.address)
    body |= {"channels": file.channels, "shares": {kind: s for kind, s in kinds.items() if s}}
    return {"file": body, "comments": [], "response_metadata": {"next_cursor": ""}}


def _visible(workspace: Workspace, file: File) -> bool:
    bot = workspace.app.bot.id
    return file.owner == bot or any(
        bot in workspace.channels[name].members for name in file.channels
    )


class Storage:
    """Serves the bytes: the upload address, and the private one for who shows the token."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def routes(self) -> list[web.RouteDef]:
        """Return what is served where."""
        return [
            web.post("/upload/v1/{file}", self._upload),
            web.get("/files-pri/{file}/{name}", self._download),
        ]

    async def _upload(self, request: web.Request) -> web.Response:
        if request.content_type == "multipart/form-data":
            form = await request.post()
            parts = [part for part in form.values() if isinstance(part, web.FileField)]
            content = parts[0].file.read() if parts else b""
        else:
            content = await request.read()
        file = self._workspace.files.receive(request.match_info["file"], content)
        return web.Response(text=f"OK - {file.length}")

    async def _download(self, request: web.Request) -> web.Response:
        app = self._workspace.app
        allowed = request.headers.get("Authorization") == f"Bearer {app.bot_token}"
        if not allowed or "files:read" not in app.scopes:
            return web.Response(text=SIGN_IN, content_type="text/html")
        file = self._workspace.files.find(request.match_info["file"].partition("-")[2])
        if file.content is None or not _visible(self._workspace, file):
            raise web.HTTPNotFound
        return web.Response(body=file.content, content_type=file.mimetype)


METHODS: Mapping[str, Method] = {
    "files.getUploadURLExternal": Method(
        _reserve, takes("filename length alt_txt snippet_type"), scope="files:write", tier=4
    ),
    "files.completeUploadExternal": Method(
        _complete,
        takes("files channel_id channels initial_comment thread_ts blocks"),
        scope="files:write",
        tier=4,
    ),
    "files.info": Method(_info, takes("file count cursor limit page"), scope="files:read", tier=4),
}
