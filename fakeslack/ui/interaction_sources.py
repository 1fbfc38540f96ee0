"""Sources of interactions: the view or message that a person uses, and what may be chosen there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fakeslack.block_kit.element_values import VALUE_FIELDS, ValueKind, is_stateful
from fakeslack.errors import Json, SlackError
from fakeslack.state.channels import Channel, ChannelType
from fakeslack.state.messages import Message
from fakeslack.state.selections import Selections, find_element
from fakeslack.state.views import View
from fakeslack.state.workspace import Workspace
from fakeslack.ui.visibility import Viewer

FILTER_NAMES: Mapping[ChannelType, str] = {
    ChannelType.CHANNEL: "public",
    ChannelType.GROUP: "private",
    ChannelType.IM: "im",
    ChannelType.MPIM: "mpim",
}
"""Names of the channel types in a select's `filter`."""


@dataclass(frozen=True, slots=True)
class InteractionSource:
    """A view or message on a person's page, and the person's selections in it."""

    workspace: Workspace
    viewer: Viewer
    origin: View | Message
    selections: Selections

    def find_element(self, body: Json) -> tuple[Json, Json]:
        """Return the block and element that a request names. Raises `action_not_found`."""
        action_id, block_id = str(body.get("action_id", "")), body.get("block_id")
        return find_element(self.selections.blocks, action_id, block_id)

    def choose(self, block: Json, element: Json, chosen: Any) -> Json:
        """
        Store a choice and return the element's state.

        Raises `value_not_found` for what the page does not offer.
        """
        if VALUE_FIELDS[element["type"]].kind is ValueKind.ID:
            former = self.selections.get_value(block, element)
            ids = chosen if isinstance(chosen, list) else [chosen]
            new_ids = [item for item in ids if item and item not in (former or [])]
            if not all(self._is_offered(element, item) for item in new_ids):
                raise SlackError("value_not_found")
        return self.selections.choose(block, element, chosen)

    def choose_all(self, values: Any) -> None:
        """
        Store what a person has typed and chosen so far: block id, action id, choice.

        Raises `invalid_arguments` for another shape, `action_not_found` for an unknown element.
        """
        if not isinstance(values, dict) or not all(isinstance(v, dict) for v in values.values()):
            raise SlackError("invalid_arguments")
        for block_id, choices in values.items():
            for action_id, chosen in choices.items():
                block, element = find_element(self.selections.blocks, action_id, block_id)
                if not is_stateful(element):
                    raise SlackError("action_not_found")
                self.choose(block, element, chosen)

    def _is_offered(self, element: Json, chosen: Any) -> bool:
        if "user" in element["type"]:
            return str(chosen) in self.workspace.people
        channel = self.workspace.channels.get(str(chosen))
        if channel is None or not channel.is_visible_to(self.viewer.person.id):
            return False
        if "channel" in element["type"]:
            return channel.channel_type is ChannelType.CHANNEL
        return self._passes_filter(channel, element.get("filter", {}))

    def _passes_filter(self, channel: Channel, limits: Json) -> bool:
        bots = [m for m in channel.members if self.workspace.people[m].is_bot]
        return (
            FILTER_NAMES[channel.channel_type] in limits.get("include", FILTER_NAMES.values())
            and not (limits.get("exclude_external_shared_channels") and channel.is_shared)
            and not (
                limits.get("exclude_bot_users") and channel.channel_type is ChannelType.IM and bots
            )
        )


def find_source(workspace: Workspace, body: Json) -> InteractionSource:
    """
    Return the view or message that a request of the page names.

    Raises `not_found`, `not_in_channel` or `message_not_found` if the person has no such thing.
    """
    viewer = Viewer(workspace, str(body.get("user", "")))
    if body.get("view_id"):
        view = find_own_view(workspace, viewer, body)
        return InteractionSource(workspace, viewer, view, view.selections)
    message = find_visible_message(workspace, viewer, body)
    selections = workspace.get_selections(viewer.person.id, message)
    return InteractionSource(workspace, viewer, message, selections)


def find_own_view(workspace: Workspace, viewer: Viewer, body: Json) -> View:
    """Return the person's own view. Raises `not_found`."""
    view = workspace.views.get_view(str(body.get("view_id", "")))
    if view.person != viewer.person.id:
        raise SlackError("not_found")
    return view


def find_visible_message(workspace: Workspace, viewer: Viewer, body: Json) -> Message:
    """Return a message on the person's page. Raises `not_in_channel` or `message_not_found`."""
    channel = workspace.get_channel(str(body.get("channel", "")))
    if not viewer.can_see(channel):
        raise SlackError("not_in_channel")
    ts = str(body.get("ts", ""))
    ephemeral = workspace.find_ephemeral(channel.id, viewer.person.id, ts)
    return ephemeral or workspace.get_message(channel.id, ts)
