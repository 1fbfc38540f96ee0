"""Interaction payloads: what Slack sends when a person uses a button, modal or command. Pure."""

from collections.abc import Iterator

from fakeslack.errors import Json, SlackError
from fakeslack.state.channels import Channel
from fakeslack.state.composer import escape_control_characters
from fakeslack.state.messages import Message
from fakeslack.state.views import View
from fakeslack.state.workspace import Workspace


def find_element(source: Json, action_id: str, block_id: str | None) -> tuple[Json, str]:
    """Return the element with this action id, and its block id. Raises `action_not_found`."""
    for block in _walk_blocks(source.get("blocks", [])):
        if block_id not in {None, block.get("block_id")}:
            continue
        for element in _walk_elements(block):
            if element.get("action_id") == action_id:
                return element, str(block.get("block_id", ""))
    raise SlackError("action_not_found")


def build_action(element: Json, block_id: str, value: str | None, action_ts: str) -> Json:
    """Return the `actions` entry of an element. Raises `value_not_found` for an unknown value."""
    element_type = element["type"]
    entry: Json = {
        "type": element_type,
        "action_id": element["action_id"],
        "block_id": block_id,
        "action_ts": action_ts,
    }
    if element_type == "feedback_buttons":
        buttons = [element["positive_button"], element["negative_button"]]
        matching_buttons = [button for button in buttons if button["value"] == value]
        if not matching_buttons:
            raise SlackError("value_not_found")
        return entry | {"text": matching_buttons[0]["text"], "value": value}
    matching_options = [option for option in element.get("options", []) if option["value"] == value]
    if "options" in element:
        if not matching_options:
            raise SlackError("value_not_found")
        return entry | {"selected_option": matching_options[0]}
    label_fields = {name: element[name] for name in ("text", "value") if name in element}
    return entry | label_fields | ({"value": value} if value is not None else {})


def _walk_blocks(blocks: list[Json]) -> Iterator[Json]:
    for block in blocks:
        yield block
        yield from _walk_blocks(block.get("child_blocks", []))


def _walk_elements(block: Json) -> Iterator[Json]:
    yield from block.get("elements", [])
    for name in ("accessory", "element"):
        if name in block:
            yield block[name]


class InteractionPayloads:
    """Builder of the payloads that Slack sends for interactions."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def build_block_actions(
        self, person: str, message: Message, action: Json, element: Json
    ) -> Json:
        """
        Build the `block_actions` payload of a message element.

        Raises `action_not_found` if the element is hidden from the person.
        """
        visible_to = element.get("visible_to_user_ids")
        if visible_to is not None and person not in visible_to:
            raise SlackError("action_not_found")
        channel = self._workspace.channels[message.channel]
        is_ephemeral = message.only_for is not None
        container = {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": channel.id,
            "is_ephemeral": is_ephemeral,
        }
        if message.thread_ts is not None:
            container["thread_ts"] = message.thread_ts
        body = {
            **self._base_payload("block_actions", person),
            **self._channel_fields(channel, person, message),
            "container": container,
            "state": {"values": {}},
            "actions": [action],
        }
        return body if is_ephemeral else body | {"message": message.without_metadata()}

    def build_view_actions(self, person: str, view: View, action: Json) -> Json:
        """Build the `block_actions` payload of an element in a modal or Home tab."""
        view_object = view.as_slack(self._workspace.app)
        return {
            **self._base_payload("block_actions", person),
            "container": {"type": "view", "view_id": view.id},
            "view": view_object,
            "state": view_object["state"],
            "actions": [action],
        }

    def build_message_action(self, person: str, message: Message, callback_id: str) -> Json:
        """Build the `message_action` payload of a message shortcut."""
        channel = self._workspace.channels[message.channel]
        return {
            **self._base_payload("message_action", person),
            **self._channel_fields(channel, person, message),
            "callback_id": callback_id,
            "action_ts": self._workspace.next_ts(),
            "message_ts": message.ts,
            "message": message.without_metadata(),
        }

    def build_view_submission(self, person: str, view: View) -> Json:
        """Build the `view_submission` payload of a submitted modal."""
        view_object = view.as_slack(self._workspace.app)
        return {
            **self._base_payload("view_submission", person),
            "view": view_object,
            "response_urls": [],
        }

    def build_view_closed(self, person: str, view: View) -> Json:
        """Build the `view_closed` payload of a dismissed modal."""
        view_object = view.as_slack(self._workspace.app)
        return {
            **self._base_payload("view_closed", person),
            "view": view_object,
            "is_cleared": False,
        }

    def build_slash_command(self, person: str, channel: Channel, command: str, text: str) -> Json:
        """Build the payload of a slash command; Slack sends a form, so every value is text."""
        member = self._workspace.people[person]
        return {
            "token": "verification-of-fakeslack",
            "team_id": self._workspace.id,
            "team_domain": self._workspace.name.lower(),
            "channel_id": channel.id,
            "channel_name": channel.name or "directmessage",
            "user_id": member.id,
            "user_name": member.name.lower(),
            "command": command,
            "text": escape_control_characters(text),
            "api_app_id": self._workspace.app.bot.app_id,
            "is_enterprise_install": "false",
            "response_url": self._issue_response_url(channel, person, None),
            "trigger_id": self._workspace.trigger_ids.issue_trigger(person),
        }

    def _base_payload(self, payload_type: str, person: str) -> Json:
        member = self._workspace.people[person]
        return {
            "type": payload_type,
            "user": {
                "id": member.id,
                "username": member.name.lower(),
                "name": member.name.lower(),
                "team_id": member.team,
            },
            "api_app_id": self._workspace.app.bot.app_id,
            "token": "verification-of-fakeslack",
            "team": {"id": self._workspace.id, "domain": self._workspace.name.lower()},
            "enterprise": None,
            "is_enterprise_install": False,
            "trigger_id": self._workspace.trigger_ids.issue_trigger(person),
        }

    def _channel_fields(self, channel: Channel, person: str, message: Message) -> Json:
        return {
            "channel": {"id": channel.id, "name": channel.name or "directmessage"},
            "response_url": self._issue_response_url(channel, person, message),
        }

    def _issue_response_url(self, channel: Channel, person: str, message: Message | None) -> str:
        url_id = self._workspace.response_urls.issue_url(channel.id, person, message)
        return f"{self._workspace.base_url}/response/{url_id}"
