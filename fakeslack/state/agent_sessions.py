"""Agent sessions: status, title and suggested prompts of each thread with the app. Pure."""

from collections.abc import Callable
from enum import StrEnum

from fakeslack.errors import Json, SlackError

SESSION_SECONDS = 3600.0
"""Time after which Slack clears a `processing` that the app has forgotten."""
STATUS_LINE_SECONDS = 120.0
"""Lifetime of a status line that the app does not renew."""


class SessionStatus(StrEnum):
    """State of an agent session; Slack shows a Stop button while it is processing."""

    ACTIVE = "active"
    PROCESSING = "processing"
    SUSPENDED = "suspended"
    CLOSED = "closed"

    @classmethod
    def parse_status(cls, name: str) -> "SessionStatus":
        """Return the status of this name. Raises `invalid_status` if there is none."""
        try:
            return cls(name)
        except ValueError:
            raise SlackError("invalid_status") from None


SessionListener = Callable[[str, str, Json], None]


class AgentSessions:
    """The app's sessions by channel and thread; every change is passed to `listener`."""

    def __init__(self, elapsed_seconds: Callable[[], float], listener: SessionListener) -> None:
        self.titles: dict[tuple[str, str], str] = {}
        self.prompts: dict[tuple[str, str | None], list[Json]] = {}
        self._elapsed_seconds = elapsed_seconds
        self._listener = listener
        self._statuses: dict[tuple[str, str], tuple[SessionStatus, float]] = {}
        self._status_lines: dict[tuple[str, str], tuple[str, float]] = {}

    def set_session_status(self, channel: str, thread_ts: str, status: SessionStatus) -> None:
        """
        Set the status of a session; create the session if it is new.

        The status takes the place of the thread's status line: they share one slot on the screen.
        """
        self._statuses[channel, thread_ts] = (status, self._elapsed_seconds())
        self._listener(channel, thread_ts, {"session": status.value})
        if self.get_status_line(channel, thread_ts):
            self.set_status_line(channel, thread_ts, "")

    def session_status(self, channel: str, thread_ts: str) -> SessionStatus | None:
        """Return the status of a session, or None if there is no session."""
        status, since = self._statuses.get((channel, thread_ts), (None, 0.0))
        is_forgotten = self._elapsed_seconds() - since > SESSION_SECONDS
        return SessionStatus.ACTIVE if status and is_forgotten else status

    def list_processing(self, channel: str) -> list[str]:
        """Return the threads of a channel whose sessions are processing."""
        threads = [
            thread for session_channel, thread in self._statuses if session_channel == channel
        ]
        return [
            thread
            for thread in threads
            if self.session_status(channel, thread) is SessionStatus.PROCESSING
        ]

    def set_title(self, channel: str, thread_ts: str, title: str) -> None:
        """Set the title of a session."""
        self.titles[channel, thread_ts] = title
        self._listener(channel, thread_ts, {"title": title})

    def list_titles(self, channel: str) -> dict[str, str]:
        """Return the titles of a channel's sessions by thread."""
        found = self.titles.items()
        return {thread: title for (where, thread), title in found if where == channel}

    def set_suggested_prompts(
        self, channel: str, thread_ts: str | None, prompts: list[Json]
    ) -> None:
        """Set the prompts of a thread, or of the direct message if `thread_ts` is None."""
        self.prompts[channel, thread_ts] = prompts
        self._listener(channel, thread_ts or "", {"prompts": prompts})

    def set_status_line(self, channel: str, thread_ts: str, line: str) -> None:
        """Set the status line of a thread; an empty line clears it."""
        self._status_lines[channel, thread_ts] = (line, self._elapsed_seconds())
        self._listener(channel, thread_ts, {"status": line})

    def get_status_line(self, channel: str, thread_ts: str) -> str:
        """Return the status line of a thread, or an empty string if it has expired."""
        line, since = self._status_lines.get((channel, thread_ts), ("", 0.0))
        return line if self._elapsed_seconds() - since <= STATUS_LINE_SECONDS else ""

    def list_status_lines(self, channel: str) -> dict[str, str]:
        """Return the status lines of a channel by thread."""
        threads = [
            thread for status_channel, thread in self._status_lines if status_channel == channel
        ]
        lines = {thread: self.get_status_line(channel, thread) for thread in threads}
        return {thread: line for thread, line in lines.items() if line}
