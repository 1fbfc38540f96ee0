"""The web page and what it calls: read as a person, write as a person, hear what happens."""

import asyncio
import json
import re
import uuid
from pathlib import Path

from aiohttp import web

from fakeslack.delivery.transport import Delivery
from fakeslack.errors import Json, SlackError
from fakeslack.json_requests import asked
from fakeslack.state.change_log import Feed
from fakeslack.state.changes import Change, Happening
from fakeslack.state.channels import Channel
from fakeslack.state.composer import Composer
from fakeslack.state.messages import Message
from fakeslack.state.workspace import Workspace
from fakeslack.ui.interactivity import Actions
from fakeslack.ui.visibility import Reader

FILES = Path(__file__).with_name("static")
KEEP_ALIVE_SECONDS = 15.0
NAME = re.compile(r"[\w-]+(\.[\w-]+)+")


class Page:
    """The page's side of the workspace."""

    def __init__(self, workspace: Workspace, feed: Feed, delivery: Delivery) -> None:
        self._workspace = workspace
        self._feed = feed
        self._delivery = delivery
        self._actions = Actions(workspace, delivery)
        self._sent: dict[tuple[str, str], str] = {}
        self._read: dict[tuple[str, str], str] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return what is served where."""
        return [
            web.get("/", self._index),
            web.get("/page/{name:.+}", self._file),
            web.get("/_page/state", self._state),
            web.get("/_page/messages", self._messages),
            web.get("/_page/events", self._events),
            web.post("/_page/post", self._post),
            web.post("/_page/edit", self._edit),
            web.post("/_page/delete", self._delete),
            web.post("/_page/react", self._react),
            web.post("/_page/open_dm", self._open_dm),
            *self._actions.routes(),
        ]

    async def _index(self, _request: web.Request) -> web.StreamResponse:
        return _served("index.html")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        return _served(request.match_info["name"])

    async def _state(self, request: web.Request) -> web.Response:
        reader = Reader(self._workspace, request.query.get("user", ""))
        bot = self._workspace.app.bot
        channels = [
            reader.channel(channel, self._unread(reader, channel))
            for channel in self._workspace.channels.values()
            if reader.sees(channel)
        ]
        app = {
            "id": bot.app_id,
            "bot_user": bot.id,
            "name": bot.name,
            "connected": self._delivery.carrier.connected,
        }
        team = {"id": self._workspace.id, "name": self._workspace.name}
        return web.json_response(
            {
                "ok": True,
                "team": team,
                "me": reader.person.id,
                "people": reader.people(),
                "channels": channels,
                "app": app,
                "next": self._feed.next,
            }
        )

    async def _messages(self, request: web.Request) -> web.Response:
        reader = Reader(self._workspace, request.query.get("user", ""))
        channel = self._seen(reader, request.query.get("channel", ""))
        thread_ts = request.query.get("thread_ts") or None
        messages = reader.messages(channel.id, thread_ts)
        if thread_ts is None and messages:
            self._read[reader.person.id, channel.id] = str(messages[-1]["ts"])
        statuses = self._workspace.sessions.lines(channel.id)
        return web.json_response({"ok": True, "messages": messages, "statuses": statuses})

    async def _post(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        reader, channel = self._place(wish)
        if channel.archived:
            raise SlackError("is_archived")
        person = reader.person
        name = str(wish.get("client_msg_id") or uuid.uuid4())
        if (person.id, name) in self._sent:
            return web.json_response({"ok": True, "ts": self._sent[person.id, name]})
        in_thread = bool(wish.get("thread_ts"))
        typed = str(wish.get("text", ""))
        if await self._actions.command(person.id, channel, typed, in_thread=in_thread):
            return web.json_response({"ok": True, "ts": None})
        body = {
            "user": person.id,
            "text": self._composed(wish),
            "team": person.team,
            "client_msg_id": name,
            "thread_ts": wish.get("thread_ts"),
            "subtype": "thread_broadcast" if wish.get("broadcast") else None,
        }
        kept = {name: value for name, value in body.items() if value is not None}
        message = self._workspace.post(channel.id, kept)
        self._sent[person.id, name] = message.ts
        return web.json_response({"ok": True, "ts": message.ts})

    async def _edit(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        reader, message = self._own(wish, "cant_update_message")
        self._workspace.edited(message, reader.person.id, text=self._composed(wish), blocks=None)
        return web.json_response({"ok": True})

    async def _delete(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        _, message = self._own(wish, "cant_delete_message")
        self._workspace.delete(message)
        return web.json_response({"ok": True})

    async def _react(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        reader, channel = self._place(wish)
        message = self._workspace.message(channel.id, str(wish.get("ts", "")))
        name = str(wish.get("name", ""))
        remove = bool(wish.get("remove"))
        self._workspace.react(message, reader.person.id, name, remove=remove)
        return web.json_response({"ok": True})

    async def _open_dm(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        reader = Reader(self._workspace, str(wish.get("user", "")))
        channel = self._workspace.direct([reader.person.id, *wish.get("users", [])])
        return web.json_response({"ok": True, "channel": reader.channel(channel)})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        reader = Reader(self._workspace, request.query.get("user", ""))
        last = request.headers.get("Last-Event-ID") or request.query.get("since")
        start = int(last) + 1 if last and last.isdigit() else self._feed.next
        stream = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        )
        await stream.prepare(request)
        await stream.write(b": welcome\n\n")
        try:
            await self._tell(stream, reader, start)
        except ConnectionError:
            return stream  # the page was closed
        return stream

    async def _tell(self, stream: web.StreamResponse, reader: Reader, number: int) -> None:
        while not self._feed.closed:
            for place, change in self._feed.since(number):
                number = place + 1
                told = reader.change(change)
                if told is not None:
                    line = f"id: {place}\ndata: {json.dumps(told)}\n\n"
                    await stream.write(line.encode())
            try:
                await asyncio.wait_for(self._feed.beyond(number), KEEP_ALIVE_SECONDS)
            except TimeoutError:
                await stream.write(b": still here\n\n")

    def connected(self, connected: bool) -> None:  # noqa: FBT001 - the one thing there is to say
        """Tell the page that the app has come or gone."""
        self._workspace.announce(Change(Happening.CONNECTED, detail={"connected": connected}))

    def _composed(self, wish: Json) -> str:
        text = str(wish.get("text", ""))
        if not text.strip():
            raise SlackError("no_text")
        people = self._workspace.people.values()
        return Composer(people, self._workspace.channels.values()).kept(text)

    def _place(self, wish: Json) -> tuple[Reader, Channel]:
        reader = Reader(self._workspace, str(wish.get("user", "")))
        return reader, self._seen(reader, str(wish.get("channel", "")))

    def _seen(self, reader: Reader, name: str) -> Channel:
        channel = self._workspace.channel(name)
        if not reader.sees(channel):
            raise SlackError("not_in_channel")
        return channel

    def _own(self, wish: Json, refusal: str) -> tuple[Reader, Message]:
        reader, channel = self._place(wish)
        message = self._workspace.message(channel.id, str(wish.get("ts", "")))
        if message.user != reader.person.id:
            raise SlackError(refusal)
        return reader, message

    def _unread(self, reader: Reader, channel: Channel) -> int:
        read = float(self._read.get((reader.person.id, channel.id), "0"))
        return sum(
            1
            for message in self._workspace.history(channel.id).in_channel()
            if float(message.ts) > read and message.user != reader.person.id
        )


def _served(name: str) -> web.StreamResponse:
    path = FILES / name
    if not NAME.fullmatch(name) or not path.is_file():
        raise web.HTTPNotFound
    return web.FileResponse(path, headers={"Cache-Control": "no-cache"})
