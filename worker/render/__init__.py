"""What a reader may see: the model's text so far, or whole, as messages and files for Slack."""

from worker.render.compose import compose_final, compose_growing, compose_stopped
from worker.render.model import Message, Part, ReplyFacts, Snippet
from worker.render.waiting import compose_error, compose_loading, compose_retrying, compose_waiting

__all__ = [
    "Message",
    "Part",
    "ReplyFacts",
    "Snippet",
    "compose_error",
    "compose_final",
    "compose_growing",
    "compose_loading",
    "compose_retrying",
    "compose_stopped",
    "compose_waiting",
]
