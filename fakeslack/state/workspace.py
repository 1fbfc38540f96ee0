"""Workspace: messages, reactions, streams, sessions and views of all channels. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from fakeslack.errors import Json, SlackError
from fakeslack.state.agent_sessions import AgentSessions
from fakeslack.state.changes import Change, ChangeKind
from fakeslack.state.channels import Channel, ChannelType
from fakeslack.state.files import FileStore
from fakeslack.state.history import ChannelHistory
from fakeslack.state.members import MemberDirectory
from fakeslack.state.messages import Message, PostOptions
from fakeslack.state.people import DEFAULT_PEOPLE, TEAM_ID, TEAM_NAME, AppInstallation, Person
from fakeslack.state.selections import Selections
from fakeslack.state.streams import Stream
from fakeslack.state.trigger_ids import ResponseUrls, TriggerIds
from fakeslack.state.user_groups import UserGroups
from fakeslack.state.views import View, ViewStore

MICROSECONDS_PER_SECOND = 1_000_000


class Workspace(MemberDirectory):
    """One workspace; listeners receive every change, in order."""

    def __init__(
        self,
        epoch_seconds: Callable[[], float],
        elapsed_seconds: Callable[[], float],
        people: Iterable[Person] = DEFAULT_PEOPLE,
    ) -> None:
        """Date messages by `epoch_seconds`; expire handles by `elapsed_seconds`."""
        super().__init__(people)
        self.id = TEAM_ID
        self.name = TEAM_NAME
        self.app = AppInstallation()
        self.base_url = ""
        self.ephemerals: dict[str, dict[str, Message]] = {}
        self.elapsed_seconds = elapsed_seconds
        self.streams: dict[tuple[str, str], Stream] = {}
        self.agent_sessions = AgentSessions(elapsed_seconds, self._publish_session)
        self.files = FileStore(epoch_seconds)
        self.user_groups = UserGroups()
        self.views = ViewStore(self._publish_view)
        self.trigger_ids = TriggerIds(elapsed_seconds)
        self.response_urls = ResponseUrls(elapsed_seconds)
        self._selections: dict[tuple[str, str, str], Selections] = {}
        self._histories: defaultdict[str, ChannelHistory] = defaultdict(ChannelHistory)
        self._epoch_seconds = epoch_seconds
        self._last_microseconds = 0

    def next_ts(self) -> str:
        """Return a new timestamp, later than all before it."""
        self._last_microseconds = max(
            int(self._epoch_seconds() * MICROSECONDS_PER_SECOND), self._last_microseconds + 1
        )
        seconds, micros = divmod(self._last_microseconds, MICROSECONDS_PER_SECOND)
        return f"{seconds}.{micros:06d}"

    def channel_history(self, channel: str) -> ChannelHistory:
        """Return the history of a channel."""
        return self._histories[channel]

    def share_channel(self, channel: str) -> Channel:
        """
        Share a channel with another organization: Slack gives a private one a new id.

        Raises `invalid_arguments` for a direct message, and for a channel that is shared already.
        """
        shared = self.channels[channel]
        is_direct = shared.channel_type in {ChannelType.IM, ChannelType.MPIM}
        if is_direct or shared.is_shared:
            raise SlackError("invalid_arguments")
        shared.is_shared = True
        if shared.channel_type is ChannelType.GROUP:
            shared.id = f"C0EXT{channel[-5:]}"
            self.channels[shared.id] = self.channels.pop(channel)
            self._histories[shared.id] = self._histories.pop(channel, ChannelHistory())
            self._histories[shared.id].move_messages(shared.id)
            self.files.move_shares(channel, shared.id)
            self.notify_channel(ChangeKind.CHANNEL, shared.id, former_id=channel)
        return shared

    def get_message(self, channel: str, ts: str) -> Message:
        """Return a message. Raises `message_not_found` if there is none."""
        found = self.channel_history(channel).find_message(ts)
        if found is None:
            raise SlackError("message_not_found")
        return found

    def post_message(self, channel: str, body: Json, options: PostOptions | None = None) -> Message:
        """
        Post a message; `body` needs no `ts` and no `type`.

        Raises `thread_not_found` or `cannot_reply_to_message` if its thread root is invalid.
        """
        ts = self.next_ts()
        message = Message(channel, {"type": "message", **body, "ts": ts}, options or PostOptions())
        message = self._link_to_thread(message).with_text_block()
        self._histories[channel].put_message(message)
        self.publish_change(Change(ChangeKind.MESSAGE, channel, message))
        if message.is_reply and message.user == self.app.bot.id:
            self._clear_status_line(channel, str(message.thread_ts))
        return message

    def post_ephemeral(
        self, channel: str, person: str, body: Json, options: PostOptions | None = None
    ) -> Message:
        """Show a message to one person; no Web API method finds it."""
        full_body = {"type": "message", **body, "ts": self.next_ts(), "is_ephemeral": True}
        message = Message(channel, full_body, options or PostOptions(), only_for=person)
        message = message.with_text_block()
        self.ephemerals.setdefault(channel, {})[message.ts] = message
        self.publish_change(Change(ChangeKind.EPHEMERAL, channel, message, only_for=person))
        return message

    def find_ephemeral(self, channel: str, person: str, ts: str) -> Message | None:
        """Return this person's ephemeral message at `ts`, or None."""
        found = self.ephemerals.get(channel, {}).get(ts)
        return found if found is not None and found.only_for == person else None

    def delete_ephemeral(self, message: Message) -> None:
        """Remove an ephemeral message."""
        if self.ephemerals.get(message.channel, {}).pop(message.ts, None) is not None:
            person = message.only_for
            self.publish_change(
                Change(
                    ChangeKind.MESSAGE_DELETED, message.channel, message, message, only_for=person
                )
            )

    def store_message(self, message: Message) -> None:
        """Replace the message with the same ts without publishing a change."""
        self._histories[message.channel].put_message(message)

    def replace_message(self, old: Message, new: Message, **detail: Any) -> Message:
        """Replace `old` by `new` and publish the change."""
        self.store_message(new)
        self.publish_change(
            Change(ChangeKind.MESSAGE_CHANGED, old.channel, new, old, detail=detail)
        )
        return new

    def edit_message(self, message: Message, person: str, **fields: Any) -> Message:
        """Edit a message as `person`: set fields and the `edited` mark."""
        edit_info = {"user": person, "ts": self.next_ts()}
        edited = message.with_fields(edited=edit_info, **fields).with_text_block()
        return self.replace_message(message, edited)

    def delete_message(self, message: Message) -> None:
        """Delete a message and publish the change."""
        self._histories[message.channel].remove_message(message)
        self.publish_change(Change(ChangeKind.MESSAGE_DELETED, message.channel, message, message))

    def set_reaction(
        self, message: Message, person: str, name: str, *, remove: bool = False
    ) -> None:
        """Add or remove a reaction. Raises `already_reacted` or `no_reaction`."""
        reactions = {r["name"]: list(r["users"]) for r in message.body.get("reactions", [])}
        users = reactions.setdefault(name, [])
        if remove == (person not in users):
            raise SlackError("no_reaction" if remove else "already_reacted")
        if remove:
            users.remove(person)
        else:
            users.append(person)
        reaction_list = [
            {"name": n, "users": u, "count": len(u)} for n, u in reactions.items() if u
        ]
        updated = message.with_fields(reactions=reaction_list or None)
        self._histories[message.channel].put_message(updated)
        detail = {"name": name, "user": person, "removed": remove}
        self.publish_change(
            Change(ChangeKind.REACTION, message.channel, updated, message, detail=detail)
        )

    def _clear_status_line(self, channel: str, thread_ts: str) -> None:
        if self.agent_sessions.get_status_line(channel, thread_ts):
            self.agent_sessions.set_status_line(channel, thread_ts, "")

    def _publish_session(self, channel: str, thread_ts: str, detail: Json) -> None:
        if "session" in detail:
            detail = {**detail, "stoppable": self.can_stop_sessions}
        change_kind = ChangeKind.STATUS if "status" in detail else ChangeKind.SESSION
        self.notify_channel(change_kind, channel, thread_ts=thread_ts, **detail)

    @property
    def can_stop_sessions(self) -> bool:
        """Whether Slack draws Stop: without the event, a session only shows that it works."""
        return "agent_session_stopped" in self.app.events

    def get_thread_root(self, channel: str, thread_ts: str) -> Message:
        """
        Return the root of a thread.

        Raises `thread_not_found` if there is none, `cannot_reply_to_message` if it is a reply.
        """
        root = self._histories[channel].find_message(thread_ts)
        if root is None:
            raise SlackError("thread_not_found")
        if root.is_reply:
            raise SlackError("cannot_reply_to_message")
        return root

    def get_selections(self, person: str, message: Message) -> Selections:
        """Return what a person has chosen in the elements of a message; others have their own."""
        key, blocks = (person, message.channel, message.ts), message.body.get("blocks") or []
        selections = self._selections.setdefault(key, Selections(blocks, message.channel))
        selections.show_blocks(blocks)
        return selections

    def stop_streams(self, channel: str, thread_ts: str) -> list[str]:
        """Stop all running streams in a thread, as the Stop button does; return their ts."""
        stopped = []
        for message in self._histories[channel].thread_replies(thread_ts):
            stream = self.streams.get((channel, message.ts))
            if stream is not None and stream.is_running(self.elapsed_seconds()):
                stream.stopped_by_user = True
                stopped.append(message.ts)
        return stopped

    def _link_to_thread(self, message: Message) -> Message:
        if message.thread_ts is None:
            return message
        root = self.get_thread_root(message.channel, message.thread_ts)
        return message.with_fields(parent_user_id=root.user)

    def _publish_view(self, person: str, view: View | None) -> None:
        view_object = view.with_state(self.app) if view is not None else None
        self.publish_change(Change(ChangeKind.VIEW, only_for=person, detail={"view": view_object}))
