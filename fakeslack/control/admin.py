"""The scenery of a test: posts as they are, people, channels, files and the app's own rights."""

from aiohttp import web

from fakeslack.errors import Json, SlackError
from fakeslack.json_requests import asked
from fakeslack.state.messages import Manner
from fakeslack.state.people import Person
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.files import share


class Scenery:
    """What an administrator, a moderator or Slack itself would do."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def routes(self) -> list[web.RouteDef]:
        """Return what is served where."""
        return [
            web.post("/_control/raw_post", self._raw_post),
            web.post("/_control/file", self._file),
            web.post("/_control/unfurl", self._unfurl),
            web.post("/_control/delete", self._delete),
            web.post("/_control/create", self._create),
            web.post("/_control/archive", self._archive),
            web.post("/_control/invite", self._invite),
            web.post("/_control/kick", self._kick),
            web.post("/_control/person", self._person),
            web.post("/_control/app", self._app),
        ]

    async def _raw_post(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        channel = self._workspace.channel(str(wish.pop("channel", "")))
        person = self._author(wish)
        body: Json = {"user": person.id, "text": "", "team": person.team, **wish}
        if person.is_bot:
            face = {"bot_id": person.bot_id, "app_id": person.app_id}
            body = {**face, "bot_profile": person.bot_profile(), **body}
        body = {name: value for name, value in body.items() if value is not None}
        message = self._workspace.post(channel.id, body, Manner())
        return web.json_response({"ok": True, "ts": message.ts, "channel": channel.id})

    async def _archive(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        channel = self._workspace.channel(str(wish.get("channel", "")))
        self._workspace.archive(channel.id, archived=bool(wish.get("archived", True)))
        return web.json_response({"ok": True})

    async def _kick(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        channel = self._workspace.channel(str(wish.get("channel", "")))
        self._workspace.leave(channel.id, self._member(wish).id)
        return web.json_response({"ok": True})

    async def _invite(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        channel = self._workspace.channel(str(wish.get("channel", "")))
        self._workspace.join(channel.id, self._member(wish).id)
        return web.json_response({"ok": True})

    async def _create(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        members = [str(member) for member in wish.get("members", [])]
        private = bool(wish.get("private"))
        channel = self._workspace.create(str(wish.get("name", "new")), members, private=private)
        channel.shared = bool(wish.get("shared"))
        return web.json_response({"ok": True, "channel": channel.id})

    async def _app(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        app = self._workspace.app
        app.scopes -= set(wish.get("without_scopes", []))
        app.scopes |= set(wish.get("with_scopes", []))
        app.events -= set(wish.get("without_events", []))
        app.events |= set(wish.get("with_events", []))
        app.commands = set(wish.get("commands", app.commands))
        app.revoked = bool(wish.get("revoked", app.revoked))
        scopes, events = sorted(app.scopes), sorted(app.events)
        return web.json_response({"ok": True, "scopes": scopes, "events": events})

    async def _file(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        channel = self._workspace.channel(str(wish.get("channel", "")))
        person = self._author(wish)
        content = str(wish.get("content", "")).encode()
        file = self._workspace.files.reserve(person.id, str(wish.get("name", "")), len(content))
        self._workspace.files.receive(file.id, content)
        self._workspace.files.finish(file.id, "")
        body: Json = {"user": person.id, "text": str(wish.get("text", "")), "team": person.team}
        if wish.get("thread_ts"):
            body["thread_ts"] = wish["thread_ts"]
        ts = share(self._workspace, channel.id, body, [file])
        return web.json_response({"ok": True, "ts": ts, "file": file.id})

    async def _delete(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        channel = self._workspace.channel(str(wish.get("channel", "")))
        self._workspace.delete(self._workspace.message(channel.id, str(wish.get("ts", ""))))
        return web.json_response({"ok": True})

    async def _unfurl(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        channel = self._workspace.channel(str(wish.get("channel", "")))
        message = self._workspace.message(channel.id, str(wish.get("ts", "")))
        shown = [{"id": 1, "from_url": str(wish.get("url", "")), "title": "A page"}]
        self._workspace.edit(message, message.with_fields(attachments=shown))
        return web.json_response({"ok": True})

    async def _person(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        known = {"id", "name", "real_name", "is_restricted", "team", "color"}
        if not {"id", "name"} <= wish.keys() <= known:
            raise SlackError("invalid_arguments")
        person = Person(**{"color": "888888", **wish})
        self._workspace.people[person.id] = person
        return web.json_response({"ok": True, "user": person.as_slack()})

    def _author(self, wish: Json) -> Person:
        name = wish.pop("user", None) or wish.pop("bot_id", None) or ""
        return self._workspace.person(str(name))

    def _member(self, wish: Json) -> Person:
        return self._workspace.person(str(wish.get("user") or self._workspace.app.bot.id))
