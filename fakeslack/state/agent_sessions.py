"""Agent sessions, pure: what state each thread with the app is in, and its title and prompts."""

from collections.abc import Callable
from enum import StrEnum

from fakeslack.errors import Json, SlackError

STATUS_SECONDS = 120.0
"""How long a status stands that nobody renews."""


class Status(StrEnum):
    """What an agent session is doing; while it is processing Slack shows a Stop button."""

    ACTIVE = "active"
    PROCESSING = "processing"
    SUSPENDED = "suspended"
    CLOSED = "closed"

    @classmethod
    def named(cls, name: str) -> "Status":
        """Return the status of this name; raises `invalid_status`."""
        try:
            return cls(name)
        except ValueError:
            raise SlackError("invalid_status") from None


Told = Callable[[str, str, Json], None]


class Sessions:
    """The sessions of the app by channel and thread; `told` hears of every change."""

    def __init__(self, now: Callable[[], float], told: Told) -> None:
        self.titles: dict[tuple[str, str], str] = {}
        self.prompts: dict[tuple[str, str | None], list[Json]] = {}
        self._now = now
        self._told = told
        self._states: dict[tuple[str, str], Status] = {}
        self._lines: dict[tuple[str, str], tuple[str, float]] = {}

    def set(self, channel: str, thread_ts: str, status: Status) -> None:
        """Move a session to another state, and create it if need be."""
        self._states[channel, thread_ts] = status
        self._told(channel, thread_ts, {"session": status.value})

    def state(self, channel: str, thread_ts: str) -> Status | None:
        """Return the state of a session, None where there is none."""
        return self._states.get((channel, thread_ts))

    def entitle(self, channel: str, thread_ts: str, title: str) -> None:
        """Give a session a title."""
        self.titles[channel, thread_ts] = title
        self._told(channel, thread_ts, {"title": title})

    def suggest(self, channel: str, thread_ts: str | None, prompts: list[Json]) -> None:
        """Offer prompts in a thread, or on top of the direct message."""
        self.prompts[channel, thread_ts] = prompts
        self._told(channel, thread_ts or "", {"prompts": prompts})

    def say(self, channel: str, thread_ts: str, line: str) -> None:
        """Show a line of status in a thread; an empty one clears it."""
        self._lines[channel, thread_ts] = (line, self._now())
        self._told(channel, thread_ts, {"status": line})

    def line(self, channel: str, thread_ts: str) -> str:
        """Return the line of status that a thread shows now."""
        line, since = self._lines.get((channel, thread_ts), ("", 0.0))
        return line if self._now() - since <= STATUS_SECONDS else ""

    def lines(self, channel: str) -> dict[str, str]:
        """Return the lines of status shown in a channel by thread."""
        threads = [thread for place, thread in self._lines if place == channel]
        shown = {thread: self.line(channel, thread) for thread in threads}
        return {thread: line for thread, line in shown.items() if line}
