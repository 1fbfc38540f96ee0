"""Agent sessions, pure: what state each thread with the app is in, and its title and prompts."""

from collections.abc import Callable
from enum import StrEnum

from fakeslack.errors import Json, SlackError

STATUS_LINE_SECONDS = 120.0
"""How long a status stands that nobody renews."""


class SessionStatus(StrEnum):
    """What an agent session is doing; while it is processing Slack shows a Stop button."""

    ACTIVE = "active"
    PROCESSING = "processing"
    SUSPENDED = "suspended"
    CLOSED = "closed"

    @classmethod
    def parse_status(cls, name: str) -> "SessionStatus":
        """Return the status of this name; raises `invalid_status`."""
        try:
            return cls(name)
        except ValueError:
            raise SlackError("invalid_status") from None


SessionListener = Callable[[str, str, Json], None]


class AgentSessions:
    """The sessions of the app by channel and thread; `told` hears of every change."""

    def __init__(self, elapsed_seconds: Callable[[], float], listener: SessionListener) -> None:
        self.titles: dict[tuple[str, str], str] = {}
        self.prompts: dict[tuple[str, str | None], list[Json]] = {}
        self._elapsed_seconds = elapsed_seconds
        self._listener = listener
        self._statuses: dict[tuple[str, str], SessionStatus] = {}
        self._status_lines: dict[tuple[str, str], tuple[str, float]] = {}

    def set_session_status(self, channel: str, thread_ts: str, status: SessionStatus) -> None:
        """Move a session to another state, and create it if need be."""
        self._statuses[channel, thread_ts] = status
        self._listener(channel, thread_ts, {"session": status.value})

    def session_status(self, channel: str, thread_ts: str) -> SessionStatus | None:
        """Return the state of a session, None where there is none."""
        return self._statuses.get((channel, thread_ts))

    def set_title(self, channel: str, thread_ts: str, title: str) -> None:
        """Give a session a title."""
        self.titles[channel, thread_ts] = title
        self._listener(channel, thread_ts, {"title": title})

    def set_suggested_prompts(
        self, channel: str, thread_ts: str | None, prompts: list[Json]
    ) -> None:
        """Offer prompts in a thread, or on top of the direct message."""
        self.prompts[channel, thread_ts] = prompts
        self._listener(channel, thread_ts or "", {"prompts": prompts})

    def set_status_line(self, channel: str, thread_ts: str, line: str) -> None:
        """Show a line of status in a thread; an empty one clears it."""
        self._status_lines[channel, thread_ts] = (line, self._elapsed_seconds())
        self._listener(channel, thread_ts, {"status": line})

    def get_status_line(self, channel: str, thread_ts: str) -> str:
        """Return the line of status that a thread shows now."""
        line, since = self._status_lines.get((channel, thread_ts), ("", 0.0))
        return line if self._elapsed_seconds() - since <= STATUS_LINE_SECONDS else ""

    def list_status_lines(self, channel: str) -> dict[str, str]:
        """Return the lines of status shown in a channel by thread."""
        threads = [
            thread for status_channel, thread in self._status_lines if status_channel == channel
        ]
        lines = {thread: self.get_status_line(channel, thread) for thread in threads}
        return {thread: line for thread, line in lines.items() if line}
