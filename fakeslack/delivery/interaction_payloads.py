"""Interaction payloads: what Slack sends when a person uses a button, modal or command. Pure."""

from fakeslack.errors import Json, SlackError
from fakeslack.state.channels import Channel
from fakeslack.state.composer import escape_control_characters
from fakeslack.state.messages import Message
from fakeslack.state.views import View
from fakeslack.state.workspace import Workspace


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
        selections = self._workspace.get_selections(person, message)
        channel = self._workspace.channels[message.channel]
        body = {
            **self._base_payload("block_actions", person, channel.id),
            **self._channel_fields(channel, person, message),
            "container": self._message_container(message),
            "state": selections.state,
            "actions": [action],
        }
        is_ephemeral = message.only_for is not None
        return body if is_ephemeral else body | {"message": message.without_metadata()}

    def build_view_actions(self, person: str, view: View, action: Json) -> Json:
        """Build the `block_actions` payload of an element in a modal or Home tab."""
        view_object = view.with_state(self._workspace.app)
        return {
            **self._base_payload("block_actions", person),
            "container": {"type": "view", "view_id": view.id},
            "view": view_object,
            "state": view_object["state"],
            "actions": [action],
        }

    def build_block_suggestion(
        self, person: str, origin: View | Message, element: tuple[str, str], query: str
    ) -> Json:
        """
        Build the `block_suggestion` payload of an external select.

        `element` is its block id and action id. Slack sends a view's state empty here.
        """
        block_id, action_id = element
        body = {
            **self._sender_fields("block_suggestion", person),
            "block_id": block_id,
            "action_id": action_id,
            "value": query,
        }
        if isinstance(origin, View):
            container = {"type": "view", "view_id": origin.id}
            return {**body, "container": container, "view": origin.as_slack(self._workspace.app)}
        channel = self._workspace.channels[origin.channel]
        return {**body, "container": self._message_container(origin), **_name_channel(channel)}

    def build_global_shortcut(self, person: str, callback_id: str, channel: str) -> Json:
        """
        Build the `shortcut` payload of a global shortcut.

        `channel` is on screen. Slack doesn't tell it to the app, but a modal may preselect it.
        """
        body = self._base_payload("shortcut", person, channel)
        user = {name: body["user"][name] for name in ("id", "username", "team_id")}
        body = {name: value for name, value in body.items() if name != "api_app_id"}
        action_ts = self._workspace.next_ts()
        return {**body, "user": user, "callback_id": callback_id, "action_ts": action_ts}

    def build_message_action(self, person: str, message: Message, callback_id: str) -> Json:
        """Build the `message_action` payload of a message shortcut."""
        channel = self._workspace.channels[message.channel]
        return {
            **self._base_payload("message_action", person, channel.id),
            **self._channel_fields(channel, person, message),
            "callback_id": callback_id,
            "action_ts": self._workspace.next_ts(),
            "message_ts": message.ts,
            "message": message.without_metadata(),
        }

    def build_view_submission(self, person: str, view: View) -> Json:
        """Build the `view_submission` payload of a submitted modal."""
        response_urls = []
        for target in view.selections.list_response_targets():
            channel = self._workspace.get_channel(target["channel_id"])
            url = self._issue_response_url(channel, person, None)
            response_urls.append(target | {"response_url": url})
        return {
            **self._base_payload("view_submission", person),
            "view": view.with_state(self._workspace.app),
            "response_urls": response_urls,
        }

    def build_view_closed(self, person: str, view: View, *, is_cleared: bool = False) -> Json:
        """Build the `view_closed` payload of a dismissed modal, or of its whole stack."""
        view_object = view.as_slack(self._workspace.app)
        return {
            **self._base_payload("view_closed", person),
            "view": view_object,
            "is_cleared": is_cleared,
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
            "trigger_id": self._workspace.trigger_ids.issue_trigger(person, channel.id),
        }

    def _base_payload(self, payload_type: str, person: str, channel: str = "") -> Json:
        trigger_id = self._workspace.trigger_ids.issue_trigger(person, channel)
        return self._sender_fields(payload_type, person) | {"trigger_id": trigger_id}

    def _sender_fields(self, payload_type: str, person: str) -> Json:
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
        }

    def _message_container(self, message: Message) -> Json:
        container = {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": message.channel,
            "is_ephemeral": message.only_for is not None,
        }
        thread = {} if message.thread_ts is None else {"thread_ts": message.thread_ts}
        return container | thread

    def _channel_fields(self, channel: Channel, person: str, message: Message) -> Json:
        return {
            **_name_channel(channel),
            "response_url": self._issue_response_url(channel, person, message),
        }

    def _issue_response_url(self, channel: Channel, person: str, message: Message | None) -> str:
        url_id = self._workspace.response_urls.issue_url(channel.id, person, message)
        return f"{self._workspace.base_url}/response/{url_id}"


def _name_channel(channel: Channel) -> Json:
    return {"channel": {"id": channel.id, "name": channel.name or "directmessage"}}
