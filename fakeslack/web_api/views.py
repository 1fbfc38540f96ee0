"""`views.*`: modals and the Home tab."""

from collections.abc import Mapping

from fakeslack.errors import Json, SlackError
from fakeslack.state.views import validate_view
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.arguments import Arguments
from fakeslack.web_api.method import Method, split_names


def _views_open(workspace: Workspace, args: Arguments) -> Json:
    body = validate_view(args.get_object("view"), "modal")
    trigger = workspace.trigger_ids.exchange_trigger(args.require_text("trigger_id"))
    view = workspace.views.open_view(trigger.person, body, trigger.channel)
    return {"view": view.as_slack(workspace.app)}


def _views_push(workspace: Workspace, args: Arguments) -> Json:
    body = validate_view(args.get_object("view"), "modal")
    trigger = workspace.trigger_ids.exchange_trigger(args.require_text("trigger_id"))
    modals = workspace.views.list_modals(trigger.person)
    if not modals:
        raise SlackError("not_found")
    return {"view": workspace.views.push_view(modals[-1], body).as_slack(workspace.app)}


def _views_update(workspace: Workspace, args: Arguments) -> Json:
    view = workspace.views.get_view(args.get_text("view_id") or args.get_text("external_id"))
    body = validate_view(args.get_object("view"), str(view.body["type"]))
    updated = workspace.views.update_view(view, body, args.get_text("hash"))
    return {"view": updated.as_slack(workspace.app)}


def _views_publish(workspace: Workspace, args: Arguments) -> Json:
    person = args.require_text("user_id")
    if person not in workspace.people:
        raise SlackError("user_not_found")
    body = validate_view(args.get_object("view"), "home")
    view = workspace.views.publish_home(person, body, args.get_text("hash"))
    return {"view": view.as_slack(workspace.app)}


METHODS: Mapping[str, Method] = {
    "views.open": Method(_views_open, split_names("trigger_id view interactivity_pointer"), tier=4),
    "views.push": Method(_views_push, split_names("trigger_id view interactivity_pointer"), tier=4),
    "views.update": Method(_views_update, split_names("view_id external_id view hash"), tier=4),
    "views.publish": Method(_views_publish, split_names("user_id view hash"), tier=4),
}
