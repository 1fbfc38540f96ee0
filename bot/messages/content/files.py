"""Files of messages: references for the worker, and names and previews as text."""

import re
from typing import Final

from bot.messages import mrkdwn
from bot.messages.content.json_fields import Json, get_text
from bot.messages.content.rich_text import render_code_block
from contract.attached_files import (
    FILE_ID_PATTERN,
    KIND_PATTERN,
    MAX_NAME_CHARACTERS,
    MAX_PREVIEW_CHARACTERS,
    MAX_URL_CHARACTERS,
    URL_PATTERN,
    FileReference,
)
from contract.masking import drop_last_word

MODES_WITHOUT_FILE: Final = frozenset({"tombstone", "hidden_by_limit"})
"""Slack's modes of a file that was deleted, or is hidden by the workspace's plan."""
MAX_SIZE_BYTES: Final = 2**40
"""A larger declared size is no size; Slack takes at most 1 GB."""
PREVIEW_FIELDS: Final = {"snippet": "preview", "email": "preview_plain_text"}
"""Field of the lines that Slack shows, by the file's mode."""


def read_file_reference(file: Json) -> FileReference | None:
    """Read a file of Slack's; `None` if it has no id, or Slack does not give it to the bot."""
    if not re.fullmatch(FILE_ID_PATTERN, get_text(file, "id")):
        return None
    if get_text(file, "mode") in MODES_WITHOUT_FILE:
        return None
    name, title = _read_words(file, "name"), _read_words(file, "title")
    shown = mrkdwn.replace_surrogates(read_file_name(file))
    preview = mrkdwn.replace_surrogates(_read_preview(file))
    is_cut = len(preview) > MAX_PREVIEW_CHARACTERS
    # A part of a secret would not be masked.
    shown_preview = drop_last_word(preview[:MAX_PREVIEW_CHARACTERS]) if is_cut else preview
    return FileReference(
        id=get_text(file, "id"),
        name=name[:MAX_NAME_CHARACTERS],
        title="" if shown == name else title[:MAX_NAME_CHARACTERS],
        mimetype=_read_kind(file, "mimetype"),
        filetype=_read_kind(file, "filetype"),
        mode=_read_kind(file, "mode"),
        size=_read_size(file),
        url=_read_url(file, "url_private_download") or _read_url(file, "url_private"),
        preview=shown_preview,
        has_more=_has_more_lines(file) or is_cut,
    )


def read_file_name(file: Json) -> str:
    """Return title and name of a file; one of them if it contains the other."""
    name, title = get_text(file, "name"), get_text(file, "title")
    words, title_words = _split_words(name), _split_words(title)
    if words <= title_words or title_words <= words:
        return name if len(words) >= len(title_words) else title
    return f"{title} ({name})"


def describe_file(name: str) -> str:
    """Return the line that names an attached file, as mrkdwn."""
    return f"(attached file: {mrkdwn.escape_text(name)})"


def render_snippet(name: str, file: Json) -> str:
    """Return a file with the first lines that Slack shows of it; empty if it shows none."""
    preview = _read_preview(file)
    if not preview:
        return ""
    language = get_text(file, "filetype")
    parts = [
        describe_file(name),
        render_code_block(mrkdwn.escape_text(preview), "" if language == "text" else language),
    ]
    if _has_more_lines(file):
        parts.append("(the file has more lines)")
    return "\n".join(parts)


def has_preview(file: Json) -> bool:
    """Return whether Slack shows lines of a file."""
    return bool(_read_preview(file))


def _split_words(name: str) -> set[str]:
    return set("".join(c if c.isalnum() else " " for c in name.casefold()).split())


def _read_preview(file: Json) -> str:
    field = PREVIEW_FIELDS.get(get_text(file, "mode"))
    preview = get_text(file, field) if field else ""
    return preview if preview.strip() else ""


def _has_more_lines(file: Json) -> bool:
    return bool(file.get("preview_is_truncated") or file.get("lines_more"))


def _read_words(file: Json, name: str) -> str:
    return mrkdwn.replace_surrogates(get_text(file, name))


def _read_kind(file: Json, name: str) -> str:
    kind = get_text(file, name)
    return kind if re.fullmatch(KIND_PATTERN, kind) else ""


def _read_url(file: Json, name: str) -> str:
    url = get_text(file, name)
    return url if len(url) <= MAX_URL_CHARACTERS and re.fullmatch(URL_PATTERN, url) else ""


def _read_size(file: Json) -> int:
    size = file.get("size")
    return size if isinstance(size, int) and 0 <= size <= MAX_SIZE_BYTES else 0
