"""Administrator routes: raw posts, people, channels, files, scopes and subscriptions."""

from aiohttp import web

from fakeslack.errors import Json, SlackError
from fakeslack.json_requests import read_json
from fakeslack.state.composer import Composer
from fakeslack.state.forwards import forward_message
from fakeslack.state.messages import PostOptions
from fakeslack.state.people import Person
from fakeslack.state.user_groups import UserGroup
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.files import create_file, delete_file, share_files


class AdminRoutes:
    """Actions of a workspace administrator, a moderator or Slack itself."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def admin_routes(self) -> list[web.RouteDef]:
        """Return the administrator routes."""
        return [
            web.post("/_control/raw_post", self._post_raw_message),
            web.post("/_control/forward", self._forward_message),
            web.post("/_control/file", self._share_files),
            web.post("/_control/delete_file", self._delete_file),
            web.post("/_control/unfurl", self._add_unfurl),
            web.post("/_control/delete", self._delete_any_message),
            web.post("/_control/create", self._create_channel),
            web.post("/_control/archive", self._archive_channel),
            web.post("/_control/share", self._share_channel),
            web.post("/_control/invite", self._invite_member),
            web.post("/_control/kick", self._kick_member),
            web.post("/_control/person", self._add_person),
            web.post("/_control/user_group", self._put_user_group),
            web.post("/_control/app", self._configure_app),
        ]

    async def _post_raw_message(self, request: web.Request) -> web.Response:
        arguments = await read_json(request)
        channel = self._workspace.get_channel(str(arguments.pop("channel", "")))
        person = self._get_author(arguments)
        body: Json = {"user": person.id, "text": "", "team": person.team, **arguments}
        if person.is_bot:
            bot_fields = {"bot_id": person.bot_id, "app_id": person.app_id}
            body = {**bot_fields, "bot_profile": person.bot_profile(), **body}
        body = {name: value for name, value in body.items() if value is not None}
        message = self._workspace.post_message(channel.id, body, PostOptions())
        return web.json_response({"ok": True, "ts": message.ts, "channel": channel.id})

    async def _forward_message(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        source = self._workspace.get_channel(str(body.get("channel", "")))
        message = self._workspace.get_message(source.id, str(body.get("ts", "")))
        target = self._workspace.get_channel(str(body.get("to", "")))
        composer = Composer(self._workspace.people.values(), self._workspace.channels.values())
        comment = composer.encode_text(str(body.get("text", "")))
        person = self._get_author(body)
        posted = forward_message(self._workspace, message, person.id, target.id, comment)
        return web.json_response({"ok": True, "ts": posted.ts})

    async def _archive_channel(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        channel = self._workspace.get_channel(str(body.get("channel", "")))
        self._workspace.archive_channel(channel.id, is_archived=bool(body.get("archived", True)))
        return web.json_response({"ok": True})

    async def _share_channel(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        channel = self._workspace.get_channel(str(body.get("channel", "")))
        shared = self._workspace.share_channel(channel.id)
        return web.json_response({"ok": True, "channel": shared.id})

    async def _kick_member(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        channel = self._workspace.get_channel(str(body.get("channel", "")))
        self._workspace.leave_channel(channel.id, self._get_member(body).id)
        return web.json_response({"ok": True})

    async def _invite_member(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        channel = self._workspace.get_channel(str(body.get("channel", "")))
        self._workspace.join_channel(channel.id, self._get_member(body).id)
        return web.json_response({"ok": True})

    async def _create_channel(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        members = [str(member) for member in body.get("members", [])]
        is_private = bool(body.get("private"))
        channel = self._workspace.create_channel(
            str(body.get("name", "new")), members, is_private=is_private
        )
        channel.is_shared = bool(body.get("shared"))
        return web.json_response({"ok": True, "channel": channel.id})

    async def _configure_app(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        app = self._workspace.app
        app.scopes -= set(body.get("without_scopes", []))
        app.scopes |= set(body.get("with_scopes", []))
        app.events -= set(body.get("without_events", []))
        app.events |= set(body.get("with_events", []))
        app.commands = set(body.get("commands", app.commands))
        app.shortcuts = dict(body.get("shortcuts", app.shortcuts))
        app.global_shortcuts = dict(body.get("global_shortcuts", app.global_shortcuts))
        app.bot_token = str(body.get("bot_token", app.bot_token))
        app.is_revoked = bool(body.get("revoked", app.is_revoked))
        scopes, events = sorted(app.scopes), sorted(app.events)
        return web.json_response({"ok": True, "scopes": scopes, "events": events})

    async def _share_files(self, request: web.Request) -> web.Response:
        """Share one file, or a list of `files`, each with the same fields."""
        arguments = await read_json(request)
        channel = self._workspace.get_channel(str(arguments.get("channel", "")))
        person = self._get_author(arguments)
        files = [
            create_file(self._workspace, person.id, fields)
            for fields in arguments.get("files", [arguments])
        ]
        body: Json = {
            "user": person.id,
            "text": str(arguments.get("text", "")),
            "team": person.team,
        }
        if arguments.get("thread_ts"):
            body["thread_ts"] = arguments["thread_ts"]
        ts = share_files(self._workspace, channel.id, body, files)
        ids = [file.id for file in files]
        return web.json_response({"ok": True, "ts": ts, "file": ids[0], "files": ids})

    async def _delete_file(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        delete_file(self._workspace, str(body.get("file", "")))
        return web.json_response({"ok": True})

    async def _delete_any_message(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        channel = self._workspace.get_channel(str(body.get("channel", "")))
        self._workspace.delete_message(
            self._workspace.get_message(channel.id, str(body.get("ts", "")))
        )
        return web.json_response({"ok": True})

    async def _add_unfurl(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        channel = self._workspace.get_channel(str(body.get("channel", "")))
        message = self._workspace.get_message(channel.id, str(body.get("ts", "")))
        attachments = [{"id": 1, "from_url": str(body.get("url", "")), "title": "A page"}]
        self._workspace.replace_message(message, message.with_fields(attachments=attachments))
        return web.json_response({"ok": True})

    async def _add_person(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        allowed_fields = {
            *("id", "name", "real_name", "is_restricted", "is_admin", "team", "color", "locale"),
        }
        if not {"id", "name"} <= body.keys() <= allowed_fields:
            raise SlackError("invalid_arguments")
        person = Person(**{"color": "888888", **body})
        self._workspace.people[person.id] = person
        return web.json_response({"ok": True, "user": person.as_slack()})

    async def _put_user_group(self, request: web.Request) -> web.Response:
        """Create, change, disable or remove a user group."""
        body = await read_json(request)
        group_id = str(body.get("id", "S0GROUP001"))
        if body.get("removed"):
            self._workspace.user_groups.remove_group(group_id)
            return web.json_response({"ok": True})
        members = [self._workspace.get_person(str(name)).id for name in body.get("users", [])]
        handle, is_disabled = str(body.get("handle", "group")), bool(body.get("disabled"))
        group = UserGroup(group_id, handle, members, is_disabled)
        self._workspace.user_groups.put_group(group)
        return web.json_response({"ok": True, "usergroup": group.id})

    def _get_author(self, body: Json) -> Person:
        name = body.pop("user", None) or body.pop("bot_id", None) or ""
        return self._workspace.get_person(str(name))

    def _get_member(self, body: Json) -> Person:
        return self._workspace.get_person(str(body.get("user") or self._workspace.app.bot.id))
