"""Interactivity routes of the page: buttons, menus, slash commands, shortcuts and Stop."""

import re
from typing import Any

from aiohttp import web

from fakeslack.block_kit.composition import find_suggestion_faults, list_options
from fakeslack.block_kit.element_values import is_stateful
from fakeslack.block_kit.selects import DEFAULT_MIN_QUERY_LENGTH, EXTERNAL_SELECTS
from fakeslack.delivery.actions import build_choice, build_press
from fakeslack.delivery.interaction_payloads import InteractionPayloads
from fakeslack.delivery.transport import Envelope, EnvelopeSender
from fakeslack.errors import Json, SlackError
from fakeslack.json_requests import read_json
from fakeslack.state.agent_sessions import SessionStatus
from fakeslack.state.changes import Change, ChangeKind
from fakeslack.state.channels import Channel
from fakeslack.state.trigger_ids import ResponseUrl
from fakeslack.state.views import View
from fakeslack.state.workspace import Workspace
from fakeslack.ui.app_delivery import deliver_to_app
from fakeslack.ui.interaction_sources import (
    InteractionSource,
    find_source,
    find_visible_message,
)
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
            web.post("/_page/suggest", self._load_options),
            web.post("/_page/shortcut", self._run_shortcut),
            web.post("/_page/stop", self._stop_session),
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
        response = await deliver_to_app(self._sender, Envelope("slash_commands", payload))
        if response:
            apply_response(self._workspace, ResponseUrl(channel.id, person, None, 0.0), response)
        return True

    async def _click_element(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        source = find_source(self._workspace, body)
        source.choose_all(body.get("values", {}))
        block, element = source.find_element(body)
        action = self._build_action(source, block, element, body.get("value"))
        if block["type"] == "input" and not block.get("dispatch_action"):
            # Slack tells the app only when the view is submitted.
            return web.json_response({"ok": True, "action_ts": None})
        person = source.viewer.person.id
        if isinstance(source.origin, View):
            payload = self._payloads.build_view_actions(person, source.origin, action)
        else:
            payload = self._payloads.build_block_actions(person, source.origin, action, element)
        await deliver_to_app(self._sender, Envelope("interactive", payload))
        # The time of an acknowledged press, for tests that count presses.
        return web.json_response({"ok": True, "action_ts": action["action_ts"]})

    def _build_action(
        self, source: InteractionSource, block: Json, element: Json, chosen: Any
    ) -> Json:
        block_id, action_ts = str(block.get("block_id", "")), self._workspace.next_ts()
        if not is_stateful(element):
            return build_press(element, block_id, chosen, action_ts)
        state = source.choose(block, element, chosen)
        return build_choice(element, block_id, state, action_ts)

    async def _run_shortcut(self, request: web.Request) -> web.Response:
        """Run a message shortcut, or a global one if the request names no message."""
        body = await read_json(request)
        viewer = Viewer(self._workspace, str(body.get("user", "")))
        name = str(body.get("callback_id", ""))
        if "ts" in body:
            payload = self._build_message_shortcut(viewer, body, name)
        elif name in self._workspace.app.global_shortcuts:
            channel = self._workspace.channels.get(str(body.get("channel", "")))
            on_screen = channel.id if channel is not None and viewer.can_see(channel) else ""
            payload = self._payloads.build_global_shortcut(viewer.person.id, name, on_screen)
        else:
            raise SlackError("unknown_shortcut")
        await deliver_to_app(self._sender, Envelope("interactive", payload))
        return web.json_response({"ok": True})

    def _build_message_shortcut(self, viewer: Viewer, body: Json, name: str) -> Json:
        message = find_visible_message(self._workspace, viewer, body)
        if message.only_for is not None:
            # Slack offers no shortcuts on ephemeral messages.
            raise SlackError("message_not_found")
        if name not in self._workspace.app.shortcuts:
            raise SlackError("unknown_shortcut")
        return self._payloads.build_message_action(viewer.person.id, message, name)

    async def _load_options(self, request: web.Request) -> web.Response:
        """Load the options of an external select: Slack asks once the query is long enough."""
        body = await read_json(request)
        source = find_source(self._workspace, body)
        block, element = source.find_element(body)
        if element["type"] not in EXTERNAL_SELECTS:
            raise SlackError("action_not_found")
        query = str(body.get("value", ""))
        if len(query) < element.get("min_query_length", DEFAULT_MIN_QUERY_LENGTH):
            return web.json_response({"ok": True, "options": []})
        ids = str(block.get("block_id", "")), str(element["action_id"])
        payload = self._payloads.build_block_suggestion(
            source.viewer.person.id, source.origin, ids, query
        )
        answer = await deliver_to_app(self._sender, Envelope("interactive", payload))
        faults = find_suggestion_faults(answer)
        if faults:
            raise SlackError("invalid_options", *faults)
        source.selections.supply_options(block, element, list_options(answer))
        offered = {name: answer[name] for name in ("options", "option_groups") if name in answer}
        return web.json_response({"ok": True, **offered})

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
