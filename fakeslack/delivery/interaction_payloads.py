"""What a person can press, pure: the elements, and the payloads that pressing them sends."""

from collections.abc import Iterator

from fakeslack.errors import Json, SlackError
from fakeslack.state.channels import Channel
from fakeslack.state.messages import Message
from fakeslack.state.views import View
from fakeslack.state.workspace import Workspace


def pressed(source: Json, action_id: str, block_id: str | None) -> tuple[Json, str]:
    """Return the element with this action id in a message or view, and its block's id."""
    for block in _blocks(source.get("blocks", [])):
        if block_id not in {None, block.get("block_id")}:
            continue
        for element in _elements(block):
            if element.get("action_id") == action_id:
                return element, str(block.get("block_id", ""))
    raise SlackError("action_not_found")


def action(element: Json, block_id: str, value: str | None, when: str) -> Json:
    """Return the `actions` entry of pressing an element; raises `value_not_found`."""
    kind = element["type"]
    entry: Json = {
        "type": kind,
        "action_id": element["action_id"],
        "block_id": block_id,
        "action_ts": when,
    }
    if kind == "feedback_buttons":
        sides = [element["positive_button"], element["negative_button"]]
        chosen = [side for side in sides if side["value"] == value]
        if not chosen:
            raise SlackError("value_not_found")
        return entry | {"text": chosen[0]["text"], "value": value}
    options = [option for option in element.get("options", []) if option["value"] == value]
    if "options" in element:
        if not options:
            raise SlackError("value_not_found")
        return entry | {"selected_option": options[0]}
    named = {name: element[name] for name in ("text", "value") if name in element}
    return entry | named | ({"value": value} if value is not None else {})


def _blocks(blocks: list[Json]) -> Iterator[Json]:
    for block in blocks:
        yield block
        yield from _blocks(block.get("child_blocks", []))


def _elements(block: Json) -> Iterator[Json]:
    yield from block.get("elements", [])
    for name in ("accessory", "element"):
        if name in block:
            yield block[name]


class Payloads:
    """Makes the payloads that Slack sends when somebody presses something."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def block_actions(self, person: str, message: Message, done: Json, element: Json) -> Json:
        """Somebody pressed an element in a message."""
        allowed = element.get("visible_to_user_ids")
        if allowed is not None and person not in allowed:
            raise SlackError("action_not_found")
        channel = self._workspace.channels[message.channel]
        hidden = message.only_for is not None
        container = {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": channel.id,
            "is_ephemeral": hidden,
        }
        if message.thread_ts is not None:
            container["thread_ts"] = message.thread_ts
        body = {
            **self._base("block_actions", person),
            **self._place(channel, person, message),
            "container": container,
            "state": {"values": {}},
            "actions": [done],
        }
        return body if hidden else body | {"message": message.without_metadata()}

    def view_actions(self, person: str, view: View, done: Json) -> Json:
        """Somebody pressed an element in a modal or on the Home tab."""
        shown = view.as_slack(self._workspace.app)
        return {
            **self._base("block_actions", person),
            "container": {"type": "view", "view_id": view.id},
            "view": shown,
            "state": shown["state"],
            "actions": [done],
        }

    def shortcut(self, person: str, message: Message, callback_id: str) -> Json:
        """Somebody chose the app's shortcut in the menu of a message."""
        channel = self._workspace.channels[message.channel]
        return {
            **self._base("message_action", person),
            **self._place(channel, person, message),
            "callback_id": callback_id,
            "action_ts": self._workspace.next_ts(),
            "message_ts": message.ts,
            "message": message.without_metadata(),
        }

    def submission(self, person: str, view: View) -> Json:
        """Somebody sent off a modal."""
        shown = view.as_slack(self._workspace.app)
        return {**self._base("view_submission", person), "view": shown, "response_urls": []}

    def closing(self, person: str, view: View) -> Json:
        """Somebody closed a modal without sending it off."""
        shown = view.as_slack(self._workspace.app)
        return {**self._base("view_closed", person), "view": shown, "is_cleared": False}

    def command(self, person: str, channel: Channel, command: str, text: str) -> Json:
        """Somebody typed a slash command; Slack sends it as a form, so all is text."""
        who = self._workspace.people[person]
        return {
            "token": "verification-of-fakeslack",
            "team_id": self._workspace.id,
            "team_domain": self._workspace.name.lower(),
            "channel_id": channel.id,
            "channel_name": channel.name or "directmessage",
            "user_id": who.id,
            "user_name": who.name.lower(),
            "command": command,
            "text": text,
            "api_app_id": self._workspace.app.bot.app_id,
            "is_enterprise_install": "false",
            "response_url": self._answer_to(channel, person, None),
            "trigger_id": self._workspace.triggers.issue(person),
        }

    def _base(self, kind: str, person: str) -> Json:
        who = self._workspace.people[person]
        return {
            "type": kind,
            "user": {
                "id": who.id,
                "username": who.name.lower(),
                "name": who.name.lower(),
                "team_id": who.team,
            },
            "api_app_id": self._workspace.app.bot.app_id,
            "token": "verification-of-fakeslack",
            "team": {"id": self._workspace.id, "domain": self._workspace.name.lower()},
            "enterprise": None,
            "is_enterprise_install": False,
            "trigger_id": self._workspace.triggers.issue(person),
        }

    def _place(self, channel: Channel, person: str, message: Message) -> Json:
        return {
            "channel": {"id": channel.id, "name": channel.name or "directmessage"},
            "response_url": self._answer_to(channel, person, message),
        }

    def _answer_to(self, channel: Channel, person: str, message: Message | None) -> str:
        name = self._workspace.answers.issue(channel.id, person, message)
        return f"{self._workspace.address}/response/{name}"
