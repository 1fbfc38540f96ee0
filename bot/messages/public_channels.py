"""Public channels: which channels Slack's last events called public, in this process' memory."""

import threading
from collections import OrderedDict
from typing import Final

from bot.messages.events import MessagePosted
from contract.job import Thread

MAX_CHANNELS: Final = 10_000
"""Channels that are remembered, the ones with the newest events."""


class PublicChannels:
    """
    Channels that everybody in their workspace, and no other organization, can read.

    One of a mention's two events does not tell the channel's type. An unknown channel counts as
    not public. All methods are thread-safe.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str], bool] = OrderedDict()

    def record_message(self, post: MessagePosted) -> None:
        """Remember what a message's event tells of its channel."""
        if post.is_public is None:
            return
        key = (post.thread.team, post.thread.channel)
        with self._lock:
            self._known[key] = post.is_public
            self._known.move_to_end(key)
            if len(self._known) > MAX_CHANNELS:
                self._known.popitem(last=False)

    def is_public(self, thread: Thread) -> bool:
        """Return whether a thread is in a public channel."""
        with self._lock:
            return self._known.get((thread.team, thread.channel), False)
