"""View routes of the page: submitted and closed modals, and the Home tab."""

from aiohttp import web

from fakeslack.delivery.interaction_payloads import InteractionPayloads
from fakeslack.delivery.transport import Envelope, EnvelopeSender
from fakeslack.errors import Json, SlackError
from fakeslack.json_requests import read_json
from fakeslack.state.changes import Change, ChangeKind
from fakeslack.state.views import View, validate_view
from fakeslack.state.workspace import Workspace
from fakeslack.ui.app_delivery import deliver_to_app
from fakeslack.ui.interaction_sources import InteractionSource, find_own_view
from fakeslack.ui.visibility import Viewer


class ViewRoutes:
    """Sends submitted and closed views to the app and applies the app's response."""

    def __init__(self, workspace: Workspace, sender: EnvelopeSender) -> None:
        self._workspace = workspace
        self._sender = sender
        self._payloads = InteractionPayloads(workspace)

    def view_routes(self) -> list[web.RouteDef]:
        """Return the view routes."""
        return [
            web.post("/_page/submit", self._submit_view),
            web.post("/_page/close", self._close_view),
            web.post("/_page/home", self._open_home),
            web.get("/_page/views", self._list_views),
        ]

    async def _submit_view(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        viewer = Viewer(self._workspace, str(body.get("user", "")))
        view = find_own_view(self._workspace, viewer, body)
        source = InteractionSource(self._workspace, viewer, view, view.selections)
        source.choose_all(body.get("values", {}))
        faults = view.selections.find_faults()
        if faults:
            # Slack's client refuses them before the app sees anything.
            return web.json_response({"ok": False, "errors": faults})
        payload = self._payloads.build_view_submission(viewer.person.id, view)
        response = await deliver_to_app(self._sender, Envelope("interactive", payload))
        errors = self._apply_response_action(view, response)
        return web.json_response({"ok": not errors, "errors": errors})

    def _apply_response_action(self, view: View, response: Json) -> Json:
        views = self._workspace.views
        match response.get("response_action"):
            case "errors":
                return _check_errors(view, response.get("errors"))
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
        view = find_own_view(self._workspace, viewer, body)
        is_cleared = bool(view.body.get("clear_on_close"))
        self._workspace.views.close_view(view, close_all=is_cleared)
        if view.body.get("notify_on_close"):
            payload = self._payloads.build_view_closed(
                viewer.person.id, view, is_cleared=is_cleared
            )
            await deliver_to_app(self._sender, Envelope("interactive", payload))
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

    async def _list_views(self, request: web.Request) -> web.Response:
        viewer = Viewer(self._workspace, request.query.get("user", ""))
        app = self._workspace.app
        home = self._workspace.views.get_home(viewer.person.id)
        stack = self._workspace.views.list_modals(viewer.person.id)
        return web.json_response(
            {
                "ok": True,
                "home": home.with_state(app) if home is not None else None,
                "modals": [view.with_state(app) for view in stack],
            }
        )


def _check_errors(view: View, errors: object) -> dict[str, str]:
    """Return the sentence below each input. Raises `invalid_response` unless they are inputs."""
    inputs = {block["block_id"] for block in view.body["blocks"] if block["type"] == "input"}
    if not isinstance(errors, dict) or not errors or not errors.keys() <= inputs:
        raise SlackError("invalid_response")
    return {block_id: str(sentence) for block_id, sentence in errors.items()}
