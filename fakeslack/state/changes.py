"""Changes of the workspace, as the page and the event dispatcher receive them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from fakeslack.errors import Json
from fakeslack.state.messages import Message


class ChangeKind(StrEnum):
    """The kinds of change, as named in the page's event stream."""

    MESSAGE = "message"
    MESSAGE_CHANGED = "message_changed"
    MESSAGE_DELETED = "message_deleted"
    EPHEMERAL = "ephemeral"
    REACTION = "reaction"
    STATUS = "status"
    CHANNEL = "channel"
    APP_CONNECTED = "connected"
    SESSION = "session"
    VIEW = "view"
    HOME = "home"
    FILE_DELETED = "file_deleted"


@dataclass(frozen=True, slots=True)
class Change:
    """
    One change; `previous` is the message before it.

    `at` is monotonic seconds.
    """

    kind: ChangeKind
    channel: str | None = None
    message: Message | None = None
    previous: Message | None = None
    only_for: str | None = None
    detail: Json = field(default_factory=dict)
    at: float = field(default_factory=time.monotonic, compare=False)


ChangeListener = Callable[[Change], None]
