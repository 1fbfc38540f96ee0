"""What a person does on the page beside writing: pressing, commands, shortcuts, modals, Home."""

import re

from aiohttp import web

from fakeslack.delivery.interaction_payloads import Payloads, action, pressed
from fakeslack.delivery.transport import Delivery, Parcel, UndeliveredError
from fakeslack.errors import Json, SlackError
from fakeslack.json_requests import asked
from fakeslack.state.agent_sessions import Status
from fakeslack.state.changes import Change, Happening
from fakeslack.state.channels import Channel
from fakeslack.state.messages import Message
from fakeslack.state.trigger_ids import Answer
from fakeslack.state.views import View, checked
from fakeslack.state.workspace import Workspace
from fakeslack.ui.visibility import Reader
from fakeslack.web_api.responses import respond

COMMAND = re.compile(r"(/[a-z0-9_-]+)(?:\s+(.*))?", re.DOTALL)


class Actions:
    """Carries what people press to the app, and its answer back to them."""

    def __init__(self, workspace: Workspace, delivery: Delivery) -> None:
        self._workspace = workspace
        self._delivery = delivery
        self._payloads = Payloads(workspace)

    def routes(self) -> list[web.RouteDef]:
        """Return what is served where."""
        return [
            web.post("/_page/click", self._click),
            web.post("/_page/shortcut", self._shortcut),
            web.post("/_page/submit", self._submit),
            web.post("/_page/close", self._close),
            web.post("/_page/home", self._home),
            web.post("/_page/stop", self._stop),
            web.get("/_page/views", self._views),
        ]

    async def command(self, person: str, channel: Channel, typed: str, *, in_thread: bool) -> bool:
        """Send a slash command to the app; returns False where `typed` is none."""
        found = COMMAND.fullmatch(typed.strip())
        if found is None:
            return False
        name, text = found.group(1), found.group(2) or ""
        if name not in self._workspace.app.commands:
            raise SlackError("unknown_command")
        if in_thread:
            raise SlackError("command_not_in_thread")
        payload = self._payloads.command(person, channel, name, text)
        said = await self._ask(Parcel("slash_commands", payload))
        if said:
            respond(self._workspace, Answer(channel.id, person, None, 0.0), said)
        return True

    async def _click(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        reader = Reader(self._workspace, str(wish.get("user", "")))
        source: Message | View
        if wish.get("view_id"):
            source = self._view(reader, wish)
            shown = source.body
        else:
            source = self._message(reader, wish)
            shown = source.body
        element, block = pressed(shown, str(wish.get("action_id", "")), wish.get("block_id"))
        done = action(element, block, wish.get("value"), self._workspace.next_ts())
        person = reader.person.id
        if isinstance(source, View):
            payload = self._payloads.view_actions(person, source, done)
        else:
            payload = self._payloads.block_actions(person, source, done, element)
        await self._ask(Parcel("interactive", payload))
        return web.json_response({"ok": True})

    async def _shortcut(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        reader = Reader(self._workspace, str(wish.get("user", "")))
        message = self._message(reader, wish)
        name = str(wish.get("callback_id", ""))
        payload = self._payloads.shortcut(reader.person.id, message, name)
        await self._ask(Parcel("interactive", payload))
        return web.json_response({"ok": True})

    async def _submit(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        reader = Reader(self._workspace, str(wish.get("user", "")))
        view = self._view(reader, wish)
        values = wish.get("values", {})
        if not isinstance(values, dict):
            raise SlackError("invalid_arguments")
        view.state = values
        payload = self._payloads.submission(reader.person.id, view)
        said = await self._ask(Parcel("interactive", payload))
        errors = self._submitted(view, said)
        return web.json_response({"ok": not errors, "errors": errors})

    def _submitted(self, view: View, said: Json) -> Json:
        views = self._workspace.views
        match said.get("response_action"):
            case "errors":
                return dict(said.get("errors", {}))
            case "update":
                views.update(view, checked(said.get("view"), "modal"))
            case "push":
                views.push(view, checked(said.get("view"), "modal"))
            case "clear":
                views.close(view, all_of_them=True)
            case _:
                views.close(view)
        return {}

    async def _close(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        reader = Reader(self._workspace, str(wish.get("user", "")))
        view = self._view(reader, wish)
        self._workspace.views.close(view)
        if view.body.get("notify_on_close"):
            payload = self._payloads.closing(reader.person.id, view)
            await self._ask(Parcel("interactive", payload))
        return web.json_response({"ok": True})

    async def _home(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        reader = Reader(self._workspace, str(wish.get("user", "")))
        person = reader.person.id
        tab = str(wish.get("tab", "home"))
        channel = self._workspace.direct([person, self._workspace.app.bot.id])
        view = self._workspace.views.home(person)
        event: Json = {
            "type": "app_home_opened",
            "user": person,
            "channel": channel.id,
            "tab": tab,
        }
        if view is not None and tab == "home":
            event["view"] = view.as_slack(self._workspace.app)
        change = Change(Happening.HOME, channel.id, only_for=person, detail={"event": event})
        self._workspace.announce(change)
        return web.json_response({"ok": True, "channel": channel.id})

    async def _stop(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        reader = Reader(self._workspace, str(wish.get("user", "")))
        channel = self._workspace.channel(str(wish.get("channel", "")))
        thread_ts = str(wish.get("thread_ts", ""))
        if self._workspace.sessions.state(channel.id, thread_ts) is not Status.PROCESSING:
            raise SlackError("not_processing")
        stopped = self._workspace.stop_streams(channel.id, thread_ts)
        event: Json = {
            "type": "agent_session_stopped",
            "channel": channel.id,
            "user": reader.person.id,
            "thread_ts": thread_ts,
            "streaming_message_ts": stopped,
        }
        self._workspace.announce(Change(Happening.SESSION, channel.id, detail={"event": event}))
        return web.json_response({"ok": True, "stopped": stopped})

    async def _views(self, request: web.Request) -> web.Response:
        reader = Reader(self._workspace, request.query.get("user", ""))
        app = self._workspace.app
        home = self._workspace.views.home(reader.person.id)
        stack = self._workspace.views.stack(reader.person.id)
        return web.json_response(
            {
                "ok": True,
                "home": home.as_slack(app) if home is not None else None,
                "modals": [view.as_slack(app) for view in stack],
            }
        )

    def _view(self, reader: Reader, wish: Json) -> View:
        view = self._workspace.views.find(str(wish.get("view_id", "")))
        if view.person != reader.person.id:
            raise SlackError("not_found")
        return view

    def _message(self, reader: Reader, wish: Json) -> Message:
        channel = self._workspace.channel(str(wish.get("channel", "")))
        if not reader.sees(channel):
            raise SlackError("not_in_channel")
        ts = str(wish.get("ts", ""))
        whisper = self._workspace.whispered(channel.id, reader.person.id, ts)
        return whisper or self._workspace.message(channel.id, ts)

    async def _ask(self, parcel: Parcel) -> Json:
        try:
            return await self._delivery.ask(parcel)
        except UndeliveredError:
            raise SlackError("app_did_not_respond") from None
