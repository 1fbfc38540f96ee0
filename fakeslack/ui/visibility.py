"""What one person sees of the workspace, pure: channels, messages, changes, pings, unfurls."""

from fakeslack.errors import Json
from fakeslack.state.changes import Change, Happening
from fakeslack.state.channels import Channel
from fakeslack.state.messages import Message
from fakeslack.state.mrkdwn import pings, unfurls
from fakeslack.state.workspace import Workspace


class Reader:
    """The eyes of one person."""

    def __init__(self, workspace: Workspace, person: str) -> None:
        """Look as `person`; raises `user_not_found`."""
        self._workspace = workspace
        self.person = workspace.person(person)

    def sees(self, channel: Channel) -> bool:
        """Whether the person is in this place."""
        return self.person.id in channel.members

    def people(self) -> list[Json]:
        """Return everybody, as the page lists them."""
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

    def channel(self, channel: Channel, unread: int = 0) -> Json:
        """Return a channel as the page lists it; a direct message is named after the others."""
        others = [self._workspace.people[m].name for m in channel.members if m != self.person.id]
        return {
            "id": channel.id,
            "name": channel.name if channel.kind in {"channel", "group"} else ", ".join(others),
            "kind": channel.kind.value,
            "members": channel.members,
            "archived": channel.archived,
            "unread": unread,
        }

    def messages(self, channel: str, thread_ts: str | None = None) -> list[Json]:
        """Return a channel's messages, or a thread from its root on, oldest first."""
        history = self._workspace.history(channel)
        if thread_ts is None:
            found = history.in_channel()
        else:
            root = history.find(thread_ts)
            found = [root, *history.replies(thread_ts)] if root else []
        found += [
            whisper
            for whisper in self._workspace.whispers.get(channel, {}).values()
            if whisper.only_for == self.person.id and whisper.thread_ts == thread_ts
        ]
        return [self.message(message) for message in sorted(found, key=lambda m: float(m.ts))]

    def message(self, message: Message) -> Json:
        """Return one message with what it would ping and unfurl, where a bot wrote it."""
        body = dict(message.body)
        if message.shown is not None and message.watcher != self.person.id:
            body = dict(message.shown)
        body |= self._workspace.history(message.channel).summary(message)
        if "bot_id" in body:
            body |= {"pings": pings(message), "unfurls": unfurls(message)}
        return body

    def change(self, change: Change) -> Json | None:
        """Return a change as the person's page hears of it, None where it is not for them."""
        if change.only_for not in {None, self.person.id}:
            return None
        told: Json = {"type": change.kind.value, "channel": change.channel, "thread_ts": None}
        if change.channel is not None:
            channel = self._workspace.channels[change.channel]
            left = change.detail.get("left") == self.person.id
            if not self.sees(channel) and not left:
                return None
            if change.kind is Happening.CHANNEL:
                told["info"] = self.channel(channel)
        told |= {name: value for name, value in change.detail.items() if name != "event"}
        if change.message is not None:
            told |= self._about(change.message)
        return told

    def _about(self, message: Message) -> Json:
        told: Json = {
            "message": self.message(message),
            "ts": message.ts,
            "thread_ts": message.thread_ts if message.is_reply else None,
        }
        if message.is_reply:
            root = self._workspace.history(message.channel).find(str(message.thread_ts))
            told["root"] = self.message(root) if root is not None else None
        return told
