"""Interactivity routes of the page: buttons, slash commands, shortcuts, modals and the Home tab."""

import re

from aiohttp import web

from fakeslack.delivery.interaction_payloads import InteractionPayloads, build_action, find_element
from fakeslack.delivery.transport import Envelope, EnvelopeSender, UndeliveredError
from fakeslack.errors import Json, SlackError
from fakeslack.json_requests import read_json
from fakeslack.state.agent_sessions import SessionStatus
from fakeslack.state.changes import Change, ChangeKind
from fakeslack.state.channels import Channel
from fakeslack.state.messages import Message
from fakeslack.state.trigger_ids import ResponseUrl
from fakeslack.state.views import View, validate_view
from fakeslack.state.workspace import Workspace
from fakeslack.ui.visibility import Viewer
from fakeslack.web_api.responses import apply_response

COMMAND_PATTERN = re.compile(r"(/[a-z0-9_-]+)(?:\s+(.*))?", re.DOTALL)


class Interactivity:
    """Sends interactions to the app and applies the app's response."""

    def __init__(self, workspace: Workspace, sender: EnvelopeSender) -> None:
        self._workspace = workspace
        self._sender = sender
        self._payloads = InteractionPayloads(workspace)

    def interactivity_routes(self) -> list[web.RouteDef]:
        """Return the interactivity routes."""
        return [
            web.post("/_page/click", self._click_element),
            web.post("/_page/shortcut", self._run_shortcut),
            web.post("/_page/submit", self._submit_view),
            web.post("/_page/close", self._close_view),
            web.post("/_page/home", self._open_home),
            web.post("/_page/stop", self._stop_session),
            web.get("/_page/views", self._list_views),
        ]

    async def send_command(
        self, person: str, channel: Channel, typed: str, *, in_thread: bool
    ) -> bool:
        """
        Send a slash command to the app; return False if `typed` is no command.

        Raises `unknown_command` or `command_not_in_thread` if the app can't receive it.
        """
        match = COMMAND_PATTERN.fullmatch(typed.strip())
        if match is None:
            return False
        name, text = match.group(1), match.group(2) or ""
        if name not in self._workspace.app.commands:
            raise SlackError("unknown_command")
        if in_thread:
            raise SlackError("command_not_in_thread")
        payload = self._payloads.build_slash_command(person, channel, name, text)
        response = await self._deliver_to_app(Envelope("slash_commands", payload))
        if response:
            apply_response(self._workspace, ResponseUrl(channel.id, person, None, 0.0), response)
        return True

    async def _click_element(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        viewer = Viewer(self._workspace, str(body.get("user", "")))
        source: Message | View
        if body.get("view_id"):
            source = self._get_own_view(viewer, body)
            source_body = source.body
        else:
            source = self._get_visible_message(viewer, body)
            source_body = source.body
        element, block = find_element(
            source_body, str(body.get("action_id", "")), body.get("block_id")
        )
        pressed_action = build_action(element, block, body.get("value"), self._workspace.next_ts())
        person = viewer.person.id
        if isinstance(source, View):
            payload = self._payloads.build_view_actions(person, source, pressed_action)
        else:
            payload = self._payloads.build_block_actions(person, source, pressed_action, element)
        await self._deliver_to_app(Envelope("interactive", payload))
        # The time of an acknowledged press, for tests that count presses.
        return web.json_response({"ok": True, "action_ts": pressed_action["action_ts"]})

    async def _run_shortcut(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        viewer = Viewer(self._workspace, str(body.get("user", "")))
        message = self._get_visible_message(viewer, body)
        if message.only_for is not None:
            # Slack offers no shortcuts on ephemeral messages.
            raise SlackError("message_not_found")
        name = str(body.get("callback_id", ""))
        if name not in self._workspace.app.shortcuts:
            raise SlackError("unknown_shortcut")
        payload = self._payloads.build_message_action(viewer.person.id, message, name)
        await self._deliver_to_app(Envelope("interactive", payload))
        return web.json_response({"ok": True})

    async def _submit_view(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        viewer = Viewer(self._workspace, str(body.get("user", "")))
        view = self._get_own_view(viewer, body)
        values = body.get("values", {})
        if not isinstance(values, dict):
            raise SlackError("invalid_arguments")
        view.state = values
        payload = self._payloads.build_view_submission(viewer.person.id, view)
        response = await self._deliver_to_app(Envelope("interactive", payload))
        errors = self._apply_response_action(view, response)
        return web.json_response({"ok": not errors, "errors": errors})

    def _apply_response_action(self, view: View, response: Json) -> Json:
        views = self._workspace.views
        match response.get("response_action"):
            case "errors":
                return dict(response.get("errors", {}))
            case "update":
                views.update_view(view, validate_view(response.get("view"), "modal"))
            case "push":
                views.push_view(view, validate_view(response.get("view"), "modal"))
            case "clear":
                views.close_view(view, close_all=True)
            case _:
                views.close_view(view)
        return {}

    async def _close_view(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        viewer = Viewer(self._workspace, str(body.get("user", "")))
        view = self._get_own_view(viewer, body)
        self._workspace.views.close_view(view)
        if view.body.get("notify_on_close"):
            payload = self._payloads.build_view_closed(viewer.person.id, view)
            await self._deliver_to_app(Envelope("interactive", payload))
        return web.json_response({"ok": True})

    async def _open_home(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        viewer = Viewer(self._workspace, str(body.get("user", "")))
        person = viewer.person.id
        tab = str(body.get("tab", "home"))
        channel = self._workspace.open_dm([person, self._workspace.app.bot.id])
        view = self._workspace.views.get_home(person)
        event: Json = {
            "type": "app_home_opened",
            "user": person,
            "channel": channel.id,
            "tab": tab,
        }
        if view is not None and tab == "home":
            event["view"] = view.as_slack(self._workspace.app)
        change = Change(ChangeKind.HOME, channel.id, only_for=person, detail={"event": event})
        self._workspace.publish_change(change)
        return web.json_response({"ok": True, "channel": channel.id})

    async def _stop_session(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        viewer = Viewer(self._workspace, str(body.get("user", "")))
        channel = self._workspace.get_channel(str(body.get("channel", "")))
        thread_ts = str(body.get("thread_ts", ""))
        if (
            self._workspace.agent_sessions.session_status(channel.id, thread_ts)
            is not SessionStatus.PROCESSING
        ):
            raise SlackError("not_processing")
        if not self._workspace.can_stop_sessions:
            raise SlackError("stop_not_available")
        stopped = self._workspace.stop_streams(channel.id, thread_ts)
        event: Json = {
            "type": "agent_session_stopped",
            "channel": channel.id,
            "user": viewer.person.id,
            "thread_ts": thread_ts,
            "streaming_message_ts": stopped,
        }
        self._workspace.publish_change(
            Change(ChangeKind.SESSION, channel.id, detail={"event": event})
        )
        return web.json_response({"ok": True, "stopped": stopped})

    async def _list_views(self, request: web.Request) -> web.Response:
        viewer = Viewer(self._workspace, request.query.get("user", ""))
        app = self._workspace.app
        home = self._workspace.views.get_home(viewer.person.id)
        stack = self._workspace.views.list_modals(viewer.person.id)
        return web.json_response(
            {
                "ok": True,
                "home": home.as_slack(app) if home is not None else None,
                "modals": [view.as_slack(app) for view in stack],
            }
        )

    def _get_own_view(self, viewer: Viewer, body: Json) -> View:
        view = self._workspace.views.get_view(str(body.get("view_id", "")))
        if view.person != viewer.person.id:
            raise SlackError("not_found")
        return view

    def _get_visible_message(self, viewer: Viewer, body: Json) -> Message:
        channel = self._workspace.get_channel(str(body.get("channel", "")))
        if not viewer.can_see(channel):
            raise SlackError("not_in_channel")
        ts = str(body.get("ts", ""))
        ephemeral = self._workspace.find_ephemeral(channel.id, viewer.person.id, ts)
        return ephemeral or self._workspace.get_message(channel.id, ts)

    async def _deliver_to_app(self, envelope: Envelope) -> Json:
        try:
            return await self._sender.deliver_once(envelope)
        except UndeliveredError:
            raise SlackError("app_did_not_respond") from None
