"""What a reader may see: the model's text so far, or whole, as messages and files for Slack."""

from worker.render.compose import final, growing, stopped
from worker.render.model import Facts, Message, Part, Snippet
from worker.render.waiting import error, loading, retrying, waiting

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
