"""Public questions: messages that Slack called public themselves, in this process' memory."""

import threading
from collections import OrderedDict
from typing import Final

from bot.messages.events import MessagePosted

MAX_MESSAGES: Final = 10_000
"""Messages that are remembered, the newest ones."""


class PublicQuestions:
    """
    Messages in channels that all members of their workspace, and no other organization, can read.

    One of a mention's two events does not tell the channel's type, and may come first. What other
    messages told does not count: the channel may be private or shared since. All methods are
    thread-safe.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._public: OrderedDict[tuple[str, str, str], None] = OrderedDict()

    def record_message(self, post: MessagePosted) -> None:
        """Remember what a message's event tells of its channel."""
        if post.is_public is None:
            return
        with self._lock:
            self._public.pop(_name_message(post), None)
            if post.is_public:
                self._public[_name_message(post)] = None
            if len(self._public) > MAX_MESSAGES:
                self._public.popitem(last=False)

    def is_public(self, post: MessagePosted) -> bool:
        """Return whether the last event of this message that told it called it public."""
        with self._lock:
            return _name_message(post) in self._public


def _name_message(post: MessagePosted) -> tuple[str, str, str]:
    return post.thread.team, post.thread.channel, post.ts
