"""Visibility rules: which channels, messages and changes one person can see. Pure."""

from fakeslack.errors import Json
from fakeslack.state.changes import Change, ChangeKind
from fakeslack.state.channels import Channel
from fakeslack.state.messages import Message
from fakeslack.state.mrkdwn import find_pings, find_unfurls
from fakeslack.state.workspace import Workspace


class Viewer:
    """One person's view of the workspace."""

    def __init__(self, workspace: Workspace, person: str) -> None:
        """View as `person`. Raises `user_not_found` if there is none."""
        self._workspace = workspace
        self.person = workspace.get_person(person)

    def can_see(self, channel: Channel) -> bool:
        """Whether the person is a member of the channel."""
        return self.person.id in channel.members

    def list_people(self) -> list[Json]:
        """Return all people, as the page lists them."""
        return [
            {
                "id": person.id,
                "name": person.name,
                "real_name": person.real_name,
                "is_bot": person.is_bot,
                "color": f"#{person.color}",
            }
            for person in self._workspace.people.values()
        ]

    def describe_channel(self, channel: Channel, unread: int = 0) -> Json:
        """Return a channel as the page lists it; other members name a direct message."""
        others = [self._workspace.people[m].name for m in channel.members if m != self.person.id]
        return {
            "id": channel.id,
            "name": channel.name
            if channel.channel_type in {"channel", "group"}
            else ", ".join(others),
            "kind": channel.channel_type.value,
            "members": channel.members,
            "archived": channel.is_archived,
            "unread": unread,
        }

    def list_messages(self, channel: str, thread_ts: str | None = None) -> list[Json]:
        """Return the messages of a channel, or of a thread with its root, oldest first."""
        history = self._workspace.channel_history(channel)
        if thread_ts is None:
            messages = history.channel_messages()
        else:
            root = history.find_message(thread_ts)
            messages = [root, *history.thread_replies(thread_ts)] if root else []
        messages += [
            ephemeral
            for ephemeral in self._workspace.ephemerals.get(channel, {}).values()
            if ephemeral.only_for == self.person.id and ephemeral.thread_ts == thread_ts
        ]
        return [
            self.describe_message(message)
            for message in sorted(messages, key=lambda m: float(m.ts))
        ]

    def describe_message(self, message: Message) -> Json:
        """Return one message; a bot's message carries its pings and unfurls."""
        body = dict(message.body)
        if message.public_body is not None and message.stream_recipient != self.person.id:
            body = dict(message.public_body)
        body |= self._workspace.channel_history(message.channel).thread_summary(message)
        if "bot_id" in body:
            body |= {"pings": find_pings(message), "unfurls": find_unfurls(message)}
        return body

    def describe_change(self, change: Change) -> Json | None:
        """Return a change for the person's page, or None if the person must not see it."""
        if change.only_for not in {None, self.person.id}:
            return None
        details: Json = {"type": change.kind.value, "channel": change.channel, "thread_ts": None}
        if change.channel is not None:
            channel = self._workspace.channels.get(change.channel)
            if channel is None:
                # Its id has changed since.
                return None
            has_left = change.detail.get("left") == self.person.id
            if not self.can_see(channel) and not has_left:
                return None
            if change.kind is ChangeKind.CHANNEL:
                details["info"] = self.describe_channel(channel)
        details |= {name: value for name, value in change.detail.items() if name != "event"}
        if change.message is not None:
            details |= self._describe_changed_message(change.message)
        return details

    def _describe_changed_message(self, message: Message) -> Json:
        details: Json = {
            "message": self.describe_message(message),
            "ts": message.ts,
            "thread_ts": message.thread_ts if message.is_reply else None,
        }
        if message.is_reply:
            root = self._workspace.channel_history(message.channel).find_message(
                str(message.thread_ts)
            )
            details["root"] = self.describe_message(root) if root is not None else None
        return details
