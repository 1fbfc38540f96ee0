"""`views.*`: modals and the Home tab."""

from collections.abc import Mapping

from fakeslack.errors import Json, SlackError
from fakeslack.state.views import checked
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.arguments import Arguments
from fakeslack.web_api.method import Method, takes


def _open(workspace: Workspace, args: Arguments) -> Json:
    body = checked(args.fields("view"), "modal")
    person = workspace.triggers.exchange(args.required("trigger_id"))
    return {"view": workspace.views.open(person, body).as_slack(workspace.app)}


def _push(workspace: Workspace, args: Arguments) -> Json:
    body = checked(args.fields("view"), "modal")
    person = workspace.triggers.exchange(args.required("trigger_id"))
    stack = workspace.views.stack(person)
    if not stack:
        raise SlackError("not_found")
    return {"view": workspace.views.push(stack[-1], body).as_slack(workspace.app)}


def _update(workspace: Workspace, args: Arguments) -> Json:
    view = workspace.views.find(args.text("view_id") or args.text("external_id"))
    body = checked(args.fields("view"), str(view.body["type"]))
    new = workspace.views.update(view, body, args.text("hash"))
    return {"view": new.as_slack(workspace.app)}


def _publish(workspace: Workspace, args: Arguments) -> Json:
    person = args.required("user_id")
    if person not in workspace.people:
        raise SlackError("user_not_found")
    body = checked(args.fields("view"), "home")
    view = workspace.views.publish(person, body, args.text("hash"))
    return {"view": view.as_slack(workspace.app)}


METHODS: Mapping[str, Method] = {
    "views.open": Method(_open, takes("trigger_id view interactivity_pointer"), tier=4),
    "views.push": Method(_push, takes("trigger_id view interactivity_pointer"), tier=4),
    "views.update": Method(_update, takes("view_id external_id view hash"), tier=4),
    "views.publish": Method(_publish, takes("user_id view hash"), tier=4),
}
