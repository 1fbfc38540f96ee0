"""Messages that grow while they are written, pure: `chat.*Stream` and its states."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fakeslack.block_kit import MOST_BLOCKS, checked
from fakeslack.block_kit.blocks import MOST_TEXT, letters
from fakeslack.errors import Json, SlackError

LIFETIME = 300.0
"""Seconds after which a stream is over by itself."""
MOST_MARKDOWN = 12_000
TASK_FIELDS = {"details", "output", "sources", "status", "title"}


class Mode(StrEnum):
    """In which of two ways a stream is fed; the two never mix."""

    TEXT = "markdown_text"
    CHUNKS = "chunks"


@dataclass(slots=True)
class Stream:
    """One stream: what has come so far, and whether more may come."""

    started: float
    mode: Mode | None = None
    parts: list[Json] = field(default_factory=list)
    finished: bool = False
    stopped_by_user: bool = False

    def feed(self, markdown: str, chunks: list[Any]) -> None:
        """Add text or chunks; raises what Slack says of wrong ones."""
        if markdown and chunks:
            raise SlackError("cannot_provide_both_markdown_text_and_chunks")
        if not markdown and not chunks:
            return
        mode = Mode.TEXT if markdown else Mode.CHUNKS
        if self.mode not in {None, mode}:
            raise SlackError("streaming_mode_mismatch")
        if len(markdown) > MOST_MARKDOWN:
            raise SlackError("msg_too_long")
        parts = list(self.parts)
        for chunk in chunks or [{"type": "markdown_text", "text": markdown}]:
            _add(parts, chunk)
        if len(parts) > MOST_BLOCKS:
            raise SlackError("msg_blocks_too_many")
        if letters(parts) > MOST_TEXT:
            raise SlackError("msg_blocks_too_long")
        self.mode, self.parts = mode, parts

    def must_run(self, now: float) -> None:
        """Raise what Slack says where nothing more may come at `now`."""
        if self.stopped_by_user:
            raise SlackError("stopped_by_user")
        if self.finished or now - self.started > LIFETIME:
            raise SlackError("message_not_in_streaming_state")

    def running(self, now: float) -> bool:
        """Whether more may come at `now`."""
        return not self.finished and now - self.started <= LIFETIME

    @property
    def text(self) -> str:
        """All the Markdown so far, as one text."""
        return "".join(part["text"] for part in self.parts if part["type"] == "markdown")

    @property
    def blocks(self) -> list[Json]:
        """What has come so far as blocks, in its order."""
        return [dict(part) for part in self.parts]


def _add(parts: list[Json], chunk: Any) -> None:
    match chunk:
        case {"type": "markdown_text", "text": str(text)} if 0 < len(text) <= MOST_MARKDOWN:
            _add_text(parts, text)
        case {"type": "task_update", "id": str(name), "title": str(), "status": str()}:
            _add_task(parts, name, chunk)
        case {"type": "plan_update", "title": str(title)}:
            parts.append({"type": "plan", "title": title})
        case {"type": "blocks", "blocks": list(blocks)}:
            parts.extend(checked(blocks))
        case _:
            raise SlackError("invalid_chunks")


def _add_text(parts: list[Json], text: str) -> None:
    if parts and parts[-1]["type"] == "markdown":
        parts[-1] = {"type": "markdown", "text": parts[-1]["text"] + text}
    else:
        parts.append({"type": "markdown", "text": text})


def _add_task(parts: list[Json], name: str, chunk: Json) -> None:
    card: Json = {"type": "task_card", "task_id": name}
    card |= {key: value for key, value in chunk.items() if key in TASK_FIELDS}
    for place, part in enumerate(parts):
        if part.get("task_id") == name:
            parts[place] = part | card
            return
    parts.append(card)
