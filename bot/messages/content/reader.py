"""
Content reader: what people see in a message, once and in order.

Slack shows `blocks` instead of `text`, and then each attachment: an app's message, a forwarded or
linked message, or the preview of a link. In attachments, `fallback` is shown by old clients only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bot.messages import mrkdwn
from bot.messages.content.blocks import render_blocks
from bot.messages.content.files import (
    describe_file,
    has_preview,
    read_file_name,
    read_file_reference,
    render_snippet,
)
from bot.messages.content.json_fields import Json, get_mapping, get_text, list_mappings
from bot.messages.content.rich_text import Labels
from contract.attached_files import FileReference

MAX_ATTACHMENTS: Final = 100
"""Attachments of one message: Slack's maximum."""
MAX_ATTACHED_CHARACTERS: Final = 40_000
"""Bound for all that is attached to a message: Slack's maximum for a text."""
MAX_MESSAGE_DEPTH: Final = 3
"""Bound for messages that are forwarded inside forwarded messages."""
CUT_NOTE: Final = "(more is attached than shown here)"
STAND_INS: Final = frozenset(
    {
        "this content can't be displayed",
        "[no preview available]",
        "this message contains interactive elements",
    }
)
"""Slack's own sentences for content that a text field cannot hold."""


@dataclass(frozen=True, slots=True)
class Content:
    """
    Visible content of a message, as mrkdwn.

    `text` is what its author wrote. `attachments` are messages, previews and snippets below it.
    `references` are its own files, which a worker may read, and `files` the names of others.
    """

    text: str = ""
    attachments: str = ""
    files: tuple[str, ...] = ()
    references: tuple[FileReference, ...] = ()

    @property
    def all_text(self) -> str:
        """Text, attachments and file names together."""
        names = map(describe_file, self.files)
        return "\n".join(part for part in (self.text, self.attachments, *names) if part)


def read_content(raw: Json) -> Content:
    """Read what people see in a message of Slack's."""
    return _read_message(raw, {}, 0)


def _read_message(raw: Json, labels: Labels, depth: int) -> Content:
    text = _read_own_text(raw, labels)
    files, references = _read_files(raw, text, depth)
    attachments = list_mappings(raw, "attachments")[:MAX_ATTACHMENTS]
    parts = [
        *(_render_attachment(attachment, depth) for attachment in attachments),
        *(render_snippet(name, file) for name, file in files),
    ]
    names = [name for name, file in files if name and not has_preview(file)]
    return Content(
        text, _join_attachments(parts, text), tuple(dict.fromkeys(names)), tuple(references)
    )


def _read_files(
    raw: Json, text: str, depth: int
) -> tuple[list[tuple[str, Json]], list[FileReference]]:
    """Return a message's files as names and objects, or as references if they are its own."""
    shown = set(text.split("\n"))
    has_block = any(block.get("type") == "file" for block in list_mappings(raw, "blocks"))
    files: list[tuple[str, Json]] = []
    references: dict[str, FileReference] = {}
    for file in list_mappings(raw, "files"):
        name = read_file_name(file)
        reference = read_file_reference(file) if depth == 0 else None
        is_shown = mrkdwn.escape_text(name) in shown and not has_preview(file)
        # A `file` block and the file list name the same file, which lies outside Slack.
        if is_shown and (has_block or reference is None):
            continue
        if reference is not None:
            references[reference.id] = reference
        else:
            files.append((name, file))
    return files, list(references.values())


def _read_own_text(raw: Json, labels: Labels) -> str:
    text = get_text(raw, "text")
    blocks = list_mappings(raw, "blocks")
    shown = render_blocks(blocks, {**labels, **mrkdwn.find_labels(text)})
    if shown:
        return shown
    has_other_content = bool(blocks or list_mappings(raw, "attachments"))
    if has_other_content and _is_stand_in(text):
        return ""
    return mrkdwn.separate_code_blocks(text)


def _render_attachment(raw: Json, depth: int) -> str:
    parts = dict.fromkeys(part for part in _find_attachment_parts(raw, depth) if part.strip())
    if not parts and not _is_stand_in(get_text(raw, "fallback")):
        return get_text(raw, "fallback")
    return "\n".join(parts)


def _find_attachment_parts(raw: Json, depth: int) -> Iterator[str]:
    """Yield the parts of an attachment in the order in which Slack shows them."""
    is_message = bool(raw.get("is_share") or raw.get("is_msg_unfurl"))
    yield _read_markup(raw, "pretext")
    yield get_text(raw, "service_name")
    author = _read_author(raw)
    yield f"(message from {author})" if is_message and author else author
    yield _read_markup(raw, "title")
    yield _render_body(raw, depth)
    for field in list_mappings(raw, "fields"):
        pair = (_read_markup(field, "title"), _read_markup(field, "value"))
        yield ": ".join(part for part in pair if part.strip())
    for file in list_mappings(raw, "files"):
        name = read_file_name(file)
        yield render_snippet(name, file) or (describe_file(name) if name else "")
    for action in list_mappings(raw, "actions"):
        yield _read_markup(action, "text")
    yield _read_markup(raw, "footer")


def _read_author(raw: Json) -> str:
    name, second_name = _read_markup(raw, "author_name"), _read_markup(raw, "author_subname")
    if second_name and second_name not in name:
        name = f"{name} {second_name}".strip()
    user = get_text(raw, "author_id")
    return name or (f"<@{user}>" if user.isalnum() else "")


def _render_body(raw: Json, depth: int) -> str:
    """Return the words of an attachment's message, its blocks or its text: Slack shows one."""
    text = get_text(raw, "text")
    labels = mrkdwn.find_labels(text)
    if depth < MAX_MESSAGE_DEPTH:
        messages = (
            _read_message(get_mapping(entry, "message"), labels, depth + 1)
            for entry in list_mappings(raw, "message_blocks")
        )
        quoted = "\n".join(content.all_text for content in messages if content.all_text.strip())
        if quoted:
            return quoted
    shown = render_blocks(list_mappings(raw, "blocks"), labels)
    return shown or mrkdwn.separate_code_blocks(text)


def _read_markup(raw: Json, name: str) -> str:
    return mrkdwn.separate_code_blocks(get_text(raw, name))


def _is_stand_in(text: str) -> bool:
    return text.strip().rstrip(".").replace("’", "'").casefold() in STAND_INS


def _join_attachments(parts: Sequence[str], text: str) -> str:
    """Join what is attached, without repetitions and within `MAX_ATTACHED_CHARACTERS`."""
    distinct = dict.fromkeys(part for part in parts if part.strip() and part != text)
    joined = "\n\n".join(distinct)
    if len(joined) <= MAX_ATTACHED_CHARACTERS:
        return joined
    return f"{joined[:MAX_ATTACHED_CHARACTERS]}\n{CUT_NOTE}"
