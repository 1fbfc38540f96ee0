"""Rendering: the model's text, in progress or finished, as Slack messages and files."""

from worker.render.compose import (
    compose_final,
    compose_growing,
    compose_plain,
)
from worker.render.model import Message, Part, ReplyFacts, Snippet
from worker.render.texts import (
    compose_error,
    compose_loading,
    compose_retrying,
    compose_stopped,
    compose_waiting,
)

__all__ = [
    "Message",
    "Part",
    "ReplyFacts",
    "Snippet",
    "compose_error",
    "compose_final",
    "compose_growing",
    "compose_loading",
    "compose_plain",
    "compose_retrying",
    "compose_stopped",
    "compose_waiting",
]
