"""What a reader may see: the model's text so far, or whole, as messages and files for Slack."""

from worker.reply.composing import final, growing, stopped
from worker.reply.parts import Facts, Message, Part, Snippet
from worker.reply.waiting import error, loading, retrying, waiting

__all__ = [
    "Facts",
    "Message",
    "Part",
    "Snippet",
    "error",
    "final",
    "growing",
    "loading",
    "retrying",
    "stopped",
    "waiting",
]
