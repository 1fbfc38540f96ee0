"""Streamed messages: content and state behind the `chat.*Stream` methods. Pure."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fakeslack.block_kit import MAX_BLOCKS, validate_blocks
from fakeslack.block_kit.blocks import MAX_TEXT_CHARACTERS, count_text_characters
from fakeslack.errors import Json, SlackError

STREAM_LIFETIME_SECONDS = 300.0
"""Maximum duration of a stream."""
MAX_CHUNK_CHARACTERS = 12_000
TASK_FIELDS = {"details", "output", "sources", "status", "title"}


class StreamMode(StrEnum):
    """The two ways to append content; one stream uses only one."""

    TEXT = "markdown_text"
    CHUNKS = "chunks"


@dataclass(slots=True)
class Stream:
    """One stream: its content so far, and whether it accepts more."""

    started_at: float
    mode: StreamMode | None = None
    parts: list[Json] = field(default_factory=list)
    is_finished: bool = False
    stopped_by_user: bool = False

    def append_content(self, markdown: str, chunks: list[Any]) -> None:
        """Append text or chunks. Raises Slack's error if they are invalid or too long."""
        if markdown and chunks:
            raise SlackError("cannot_provide_both_markdown_text_and_chunks")
        if not markdown and not chunks:
            return
        mode = StreamMode.TEXT if markdown else StreamMode.CHUNKS
        if self.mode not in {None, mode}:
            raise SlackError("streaming_mode_mismatch")
        if len(markdown) > MAX_CHUNK_CHARACTERS:
            raise SlackError("msg_too_long")
        parts = list(self.parts)
        for chunk in chunks or [{"type": "markdown_text", "text": markdown}]:
            _append_chunk(parts, chunk)
        if len(parts) > MAX_BLOCKS:
            raise SlackError("msg_blocks_too_many")
        if count_text_characters(parts) > MAX_TEXT_CHARACTERS:
            raise SlackError("msg_blocks_too_long")
        self.mode, self.parts = mode, parts

    def require_running(self, elapsed_seconds: float) -> None:
        """Raise `stopped_by_user` or `message_not_in_streaming_state` if the stream has ended."""
        if self.stopped_by_user:
            raise SlackError("stopped_by_user")
        if self.is_finished or elapsed_seconds - self.started_at > STREAM_LIFETIME_SECONDS:
            raise SlackError("message_not_in_streaming_state")

    def is_running(self, elapsed_seconds: float) -> bool:
        """Whether the stream accepts more at `elapsed_seconds`."""
        return not self.is_finished and elapsed_seconds - self.started_at <= STREAM_LIFETIME_SECONDS

    @property
    def markdown_text(self) -> str:
        """All Markdown so far, as one text."""
        return "".join(part["text"] for part in self.parts if part["type"] == "markdown")

    @property
    def blocks(self) -> list[Json]:
        """All content so far, as blocks in order."""
        return [dict(part) for part in self.parts]


def _append_chunk(parts: list[Json], chunk: Any) -> None:
    match chunk:
        case {"type": "markdown_text", "text": str(text)} if 0 < len(text) <= MAX_CHUNK_CHARACTERS:
            _append_text(parts, text)
        case {"type": "task_update", "id": str(task_id), "title": str(), "status": str()}:
            _append_task(parts, task_id, chunk)
        case {"type": "plan_update", "title": str(title)}:
            parts.append({"type": "plan", "title": title})
        case {"type": "blocks", "blocks": list(blocks)}:
            parts.extend(validate_blocks(blocks))
        case _:
            raise SlackError("invalid_chunks")


def _append_text(parts: list[Json], text: str) -> None:
    if parts and parts[-1]["type"] == "markdown":
        parts[-1] = {"type": "markdown", "text": parts[-1]["text"] + text}
    else:
        parts.append({"type": "markdown", "text": text})


def _append_task(parts: list[Json], task_id: str, chunk: Json) -> None:
    card: Json = {"type": "task_card", "task_id": task_id}
    card |= {key: value for key, value in chunk.items() if key in TASK_FIELDS}
    for index, part in enumerate(parts):
        if part.get("task_id") == task_id:
            parts[index] = part | card
            return
    parts.append(card)
