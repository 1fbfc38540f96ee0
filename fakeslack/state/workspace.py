"""The workspace itself, pure: all that is said and done in its channels."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from fakeslack.errors import Json, SlackError
from fakeslack.state.agent_sessions import Sessions
from fakeslack.state.changes import Change, Happening
from fakeslack.state.files import Files
from fakeslack.state.history import History
from fakeslack.state.members import Directory
from fakeslack.state.messages import Manner, Message
from fakeslack.state.people import RESIDENTS, TEAM, TEAM_NAME, Installation, Person
from fakeslack.state.streams import Stream
from fakeslack.state.trigger_ids import Answers, Triggers
from fakeslack.state.views import View, Views

MICROSECONDS = 1_000_000


class Workspace(Directory):
    """One workspace; every change is told to the listeners, in order, as it happens."""

    def __init__(
        self,
        now: Callable[[], float],
        elapsed: Callable[[], float],
        people: Iterable[Person] = RESIDENTS,
    ) -> None:
        """Open it; `now` gives seconds since the epoch, by `elapsed` things grow old."""
        super().__init__(people)
        self.id = TEAM
        self.name = TEAM_NAME
        self.app = Installation()
        self.address = ""
        self.whispers: dict[str, dict[str, Message]] = {}
        self.elapsed = elapsed
        self.streams: dict[tuple[str, str], Stream] = {}
        self.sessions = Sessions(elapsed, self._session_changed)
        self.files = Files(now)
        self.views = Views(self._view_changed)
        self.triggers = Triggers(elapsed)
        self.answers = Answers(elapsed)
        self._histories: defaultdict[str, History] = defaultdict(History)
        self._now = now
        self._last = 0

    def next_ts(self) -> str:
        """Return a new timestamp, later than every one before it."""
        self._last = max(int(self._now() * MICROSECONDS), self._last + 1)
        seconds, micros = divmod(self._last, MICROSECONDS)
        return f"{seconds}.{micros:06d}"

    def history(self, channel: str) -> History:
        """Return the messages of a channel."""
        return self._histories[channel]

    def message(self, channel: str, ts: str) -> Message:
        """Return a message; raises `message_not_found`."""
        found = self.history(channel).find(ts)
        if found is None:
            raise SlackError("message_not_found")
        return found

    def post(self, channel: str, body: Json, manner: Manner | None = None) -> Message:
        """Add a message; `body` needs no `ts` and no `type`."""
        ts = self.next_ts()
        message = Message(channel, {"type": "message", **body, "ts": ts}, manner or Manner())
        message = self._in_thread(message)
        self._histories[channel].add(message)
        self.announce(Change(Happening.MESSAGE, channel, message))
        if message.is_reply and message.user == self.app.bot.id:
            self._answered(channel, str(message.thread_ts))
        return message

    def whisper(
        self, channel: str, person: str, body: Json, manner: Manner | None = None
    ) -> Message:
        """Show a message to one person only; no method of the Web API finds it."""
        whole = {"type": "message", **body, "ts": self.next_ts(), "is_ephemeral": True}
        message = Message(channel, whole, manner or Manner(), only_for=person)
        self.whispers.setdefault(channel, {})[message.ts] = message
        self.announce(Change(Happening.EPHEMERAL, channel, message, only_for=person))
        return message

    def whispered(self, channel: str, person: str, ts: str) -> Message | None:
        """Return what was shown to this person alone at `ts`, None where nothing was."""
        found = self.whispers.get(channel, {}).get(ts)
        return found if found is not None and found.only_for == person else None

    def unwhisper(self, message: Message) -> None:
        """Take away a message that one person saw."""
        if self.whispers.get(message.channel, {}).pop(message.ts, None) is not None:
            person = message.only_for
            self.announce(
                Change(Happening.DELETED, message.channel, message, message, only_for=person)
            )

    def keep(self, message: Message) -> None:
        """Put a message in the place of the one with its ts, without telling anybody."""
        self._histories[message.channel].add(message)

    def edit(self, old: Message, new: Message, **detail: Any) -> Message:
        """Put `new` in the place of `old`."""
        self.keep(new)
        self.announce(Change(Happening.CHANGED, old.channel, new, old, detail=detail))
        return new

    def edited(self, message: Message, person: str, **fields: Any) -> Message:
        """Edit a message as `person`: set fields and say that it was edited."""
        mark = {"user": person, "ts": self.next_ts()}
        return self.edit(message, message.with_fields(edited=mark, **fields))

    def delete(self, message: Message) -> None:
        """Take a message out of its channel."""
        self._histories[message.channel].remove(message)
        self.announce(Change(Happening.DELETED, message.channel, message, message))

    def react(self, message: Message, person: str, name: str, *, remove: bool = False) -> None:
        """Add or remove a reaction; raises `already_reacted` and `no_reaction`."""
        reactions = {r["name"]: list(r["users"]) for r in message.body.get("reactions", [])}
        users = reactions.setdefault(name, [])
        if remove == (person not in users):
            raise SlackError("no_reaction" if remove else "already_reacted")
        if remove:
            users.remove(person)
        else:
            users.append(person)
        shown = [{"name": n, "users": u, "count": len(u)} for n, u in reactions.items() if u]
        new = message.with_fields(reactions=shown or None)
        self._histories[message.channel].add(new)
        detail = {"name": name, "user": person, "removed": remove}
        self.announce(Change(Happening.REACTION, message.channel, new, message, detail=detail))

    def _answered(self, channel: str, thread_ts: str) -> None:
        if self.sessions.line(channel, thread_ts):
            self.sessions.say(channel, thread_ts, "")

    def _session_changed(self, channel: str, thread_ts: str, detail: Json) -> None:
        kind = Happening.STATUS if "status" in detail else Happening.SESSION
        self.tell(kind, channel, thread_ts=thread_ts, **detail)

    def root(self, channel: str, thread_ts: str) -> Message:
        """Return the root of a thread; raises what Slack says where none can be there."""
        root = self._histories[channel].find(thread_ts)
        if root is None:
            raise SlackError("thread_not_found")
        if root.is_reply:
            raise SlackError("cannot_reply_to_message")
        return root

    def stop_streams(self, channel: str, thread_ts: str) -> list[str]:
        """Stop all streams in a thread as a person does; returns their timestamps."""
        stopped = []
        for message in self._histories[channel].replies(thread_ts):
            stream = self.streams.get((channel, message.ts))
            if stream is not None and stream.running(self.elapsed()):
                stream.stopped_by_user = True
                stopped.append(message.ts)
        return stopped

    def _in_thread(self, message: Message) -> Message:
        if message.thread_ts is None:
            return message
        root = self.root(message.channel, message.thread_ts)
        return message.with_fields(parent_user_id=root.user)

    def _view_changed(self, person: str, view: View | None) -> None:
        shown = view.as_slack(self.app) if view is not None else None
        self.announce(Change(Happening.VIEW, only_for=person, detail={"view": shown}))
