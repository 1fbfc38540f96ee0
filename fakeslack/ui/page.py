"""Page routes: static files, the state of the workspace, messages, and an event stream."""

import re
import uuid
from pathlib import Path

from aiohttp import web

from fakeslack.delivery.transport import EnvelopeSender
from fakeslack.errors import Json, SlackError
from fakeslack.json_requests import read_json
from fakeslack.state.change_log import ChangeLog
from fakeslack.state.changes import Change, ChangeKind
from fakeslack.state.channels import Channel
from fakeslack.state.composer import Composer
from fakeslack.state.messages import Message
from fakeslack.state.workspace import Workspace
from fakeslack.ui.event_stream import EventStream
from fakeslack.ui.interactivity import Interactivity
from fakeslack.ui.permalinks import redirect_permalink
from fakeslack.ui.view_routes import ViewRoutes
from fakeslack.ui.visibility import Viewer
from fakeslack.web_api.files import create_file, share_files

STATIC_DIRECTORY = Path(__file__).with_name("static")
PAGE_FILE_FIELDS = ("name", "base64", "mimetype")
FILE_PATH_PATTERN = re.compile(r"([\w-]+/)?[\w-]+(\.[\w-]+)+")


class PageRoutes:
    """The page's endpoints for reading, writing and following the workspace."""

    def __init__(
        self, workspace: Workspace, change_log: ChangeLog, sender: EnvelopeSender, token: str
    ) -> None:
        self._workspace = workspace
        self._change_log = change_log
        self._sender = sender
        self._token = token
        self._interactivity = Interactivity(workspace, sender)
        self._view_routes = ViewRoutes(workspace, sender)
        self._event_stream = EventStream(workspace, change_log)
        self._sent_ts: dict[tuple[str, str], str] = {}
        self._last_read_ts: dict[tuple[str, str], str] = {}

    def page_routes(self) -> list[web.RouteDef]:
        """Return the page's routes."""
        return [
            web.get("/", self._serve_index),
            web.get("/page/{name:.+}", self._serve_file),
            web.get("/archives/{channel}/{message}", redirect_permalink),
            web.get("/_page/state", self._get_state),
            web.get("/_page/messages", self._list_messages),
            web.get("/_page/events", self._event_stream.stream_changes),
            web.post("/_page/post", self._post_message),
            web.post("/_page/edit", self._edit_message),
            web.post("/_page/delete", self._delete_message),
            web.post("/_page/react", self._set_reaction),
            web.post("/_page/open_dm", self._open_direct_message),
            *self._interactivity.interactivity_routes(),
            *self._view_routes.view_routes(),
        ]

    async def _serve_index(self, _request: web.Request) -> web.StreamResponse:
        return _file_response("index.html")

    async def _serve_file(self, request: web.Request) -> web.StreamResponse:
        return _file_response(request.match_info["name"])

    async def _get_state(self, request: web.Request) -> web.Response:
        viewer = Viewer(self._workspace, request.query.get("user", ""))
        installation, bot = self._workspace.app, self._workspace.app.bot
        channels = [
            viewer.describe_channel(channel, self._count_unread(viewer, channel))
            for channel in self._workspace.channels.values()
            if viewer.can_see(channel)
        ]
        app = {
            "id": bot.app_id,
            "bot_user": bot.id,
            "name": bot.name,
            "shortcuts": _list_shortcuts(installation.shortcuts),
            "global_shortcuts": _list_shortcuts(installation.global_shortcuts),
            "connected": self._sender.transport.has_connection,
        }
        team = {"id": self._workspace.id, "name": self._workspace.name}
        return web.json_response(
            {
                "ok": True,
                "team": team,
                "me": viewer.person.id,
                "people": viewer.list_people(),
                "channels": channels,
                "app": app,
                "next": self._change_log.next_number,
                "token": self._token,
            }
        )

    async def _list_messages(self, request: web.Request) -> web.Response:
        viewer = Viewer(self._workspace, request.query.get("user", ""))
        channel = self._get_visible_channel(viewer, request.query.get("channel", ""))
        thread_ts = request.query.get("thread_ts") or None
        messages = viewer.list_messages(channel.id, thread_ts)
        if thread_ts is None and messages:
            self._last_read_ts[viewer.person.id, channel.id] = str(messages[-1]["ts"])
        sessions = self._workspace.agent_sessions
        can_stop = self._workspace.can_stop_sessions
        return web.json_response(
            {
                "ok": True,
                "messages": messages,
                "statuses": sessions.list_status_lines(channel.id),
                "titles": sessions.list_titles(channel.id),
                "prompts": sessions.prompts.get((channel.id, None), []),
                "stoppable": sessions.list_processing(channel.id) if can_stop else [],
            }
        )

    async def _post_message(self, request: web.Request) -> web.Response:
        arguments = await read_json(request)
        viewer, channel = self._resolve_channel(arguments)
        if channel.is_archived:
            raise SlackError("is_archived")
        person = viewer.person
        client_msg_id = str(arguments.get("client_msg_id") or uuid.uuid4())
        if (person.id, client_msg_id) in self._sent_ts:
            return web.json_response({"ok": True, "ts": self._sent_ts[person.id, client_msg_id]})
        in_thread = bool(arguments.get("thread_ts"))
        typed = str(arguments.get("text", ""))
        if await self._interactivity.send_command(person.id, channel, typed, in_thread=in_thread):
            return web.json_response({"ok": True, "ts": None})
        fields = {
            "user": person.id,
            "text": self._compose_text(arguments),
            "team": person.team,
            "client_msg_id": client_msg_id,
            "thread_ts": arguments.get("thread_ts"),
            "subtype": "thread_broadcast" if arguments.get("broadcast") else None,
        }
        message_body = {name: value for name, value in fields.items() if value is not None}
        ts = self._post_with_files(channel.id, message_body, _list_files(arguments))
        self._sent_ts[person.id, client_msg_id] = ts
        return web.json_response({"ok": True, "ts": ts})

    def _post_with_files(self, channel: str, body: Json, files: list[Json]) -> str:
        if not files:
            return self._workspace.post_message(channel, body).ts
        if "thread_ts" in body:
            self._workspace.get_thread_root(channel, body["thread_ts"])
        created = [create_file(self._workspace, body["user"], fields) for fields in files]
        return share_files(self._workspace, channel, body, created)

    async def _edit_message(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        viewer, message = self._get_own_message(body, "cant_update_message")
        self._workspace.edit_message(
            message, viewer.person.id, text=self._compose_text(body), blocks=None
        )
        return web.json_response({"ok": True})

    async def _delete_message(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        _, message = self._get_own_message(body, "cant_delete_message")
        self._workspace.delete_message(message)
        return web.json_response({"ok": True})

    async def _set_reaction(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        viewer, channel = self._resolve_channel(body)
        message = self._workspace.get_message(channel.id, str(body.get("ts", "")))
        name = str(body.get("name", ""))
        remove = bool(body.get("remove"))
        self._workspace.set_reaction(message, viewer.person.id, name, remove=remove)
        return web.json_response({"ok": True})

    async def _open_direct_message(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        viewer = Viewer(self._workspace, str(body.get("user", "")))
        channel = self._workspace.open_dm([viewer.person.id, *body.get("users", [])])
        return web.json_response({"ok": True, "channel": viewer.describe_channel(channel)})

    def publish_connection(self, is_connected: bool) -> None:  # noqa: FBT001 - a listener with one argument
        """Publish that the app has connected or disconnected."""
        self._workspace.publish_change(
            Change(ChangeKind.APP_CONNECTED, detail={"connected": is_connected})
        )

    def _compose_text(self, body: Json) -> str:
        text = str(body.get("text", ""))
        if not text.strip() and not _list_files(body):
            raise SlackError("no_text")
        people = self._workspace.people.values()
        return Composer(people, self._workspace.channels.values()).encode_text(text)

    def _resolve_channel(self, body: Json) -> tuple[Viewer, Channel]:
        viewer = Viewer(self._workspace, str(body.get("user", "")))
        return viewer, self._get_visible_channel(viewer, str(body.get("channel", "")))

    def _get_visible_channel(self, viewer: Viewer, channel_id: str) -> Channel:
        channel = self._workspace.get_channel(channel_id)
        if not viewer.can_see(channel):
            raise SlackError("not_in_channel")
        return channel

    def _get_own_message(self, body: Json, error: str) -> tuple[Viewer, Message]:
        viewer, channel = self._resolve_channel(body)
        message = self._workspace.get_message(channel.id, str(body.get("ts", "")))
        if message.user != viewer.person.id:
            raise SlackError(error)
        return viewer, message

    def _count_unread(self, viewer: Viewer, channel: Channel) -> int:
        last_read = float(self._last_read_ts.get((viewer.person.id, channel.id), "0"))
        return sum(
            1
            for message in self._workspace.channel_history(channel.id).channel_messages()
            if float(message.ts) > last_read and message.user != viewer.person.id
        )


def _list_files(body: Json) -> list[Json]:
    """Return the files of a request. Raises `invalid_arguments` if they are malformed."""
    files = body.get("files") or []
    if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
        raise SlackError("invalid_arguments")
    return [{name: file[name] for name in PAGE_FILE_FIELDS if name in file} for file in files]


def _list_shortcuts(shortcuts: dict[str, str]) -> list[Json]:
    return [{"callback_id": name, "name": shortcuts[name]} for name in shortcuts]


def _file_response(name: str) -> web.StreamResponse:
    path = STATIC_DIRECTORY / name
    if not FILE_PATH_PATTERN.fullmatch(name) or not path.is_file():
        raise web.HTTPNotFound
    return web.FileResponse(path, headers={"Cache-Control": "no-cache"})
