"""Rendering: the model's text, in progress or finished, as Slack messages and files."""

from worker.render.code_checks import list_checkable
from worker.render.compose import (
    MAX_GROWING_CHARACTERS,
    compose_final,
    compose_growing,
    compose_plain,
    compose_reply,
    parse_reply,
)
from worker.render.model import ComposedReply, Message, Part, ReplyFacts, Snippet
from worker.render.pointer import compose_pointer
from worker.render.texts import compose_status, compose_stop_notice
from worker.render.wording import compose_cover

__all__ = [
    "MAX_GROWING_CHARACTERS",
    "ComposedReply",
    "Message",
    "Part",
    "ReplyFacts",
    "Snippet",
    "compose_cover",
    "compose_final",
    "compose_growing",
    "compose_plain",
    "compose_pointer",
    "compose_reply",
    "compose_status",
    "compose_stop_notice",
    "list_checkable",
    "parse_reply",
]
