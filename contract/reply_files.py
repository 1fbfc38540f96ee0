"""
Files of a reply: Slack's ids, as the metadata of the reply's first message names them. Pure.

A message with a file takes no metadata, and *Show* may post it below later replies.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from contract.job import SLACK_ID_PATTERN
from contract.surplus import MAX_SURPLUS

FILES_FIELD: Final = "files"
"""Field of the metadata: one text, because Slack's types of a payload have no lists of texts."""
MAX_FILE_ID_CHARACTERS: Final = 64
"""Characters of an id: with `MAX_SURPLUS` of them, metadata stays far below Slack's 8,000."""


def join_file_ids(ids: Iterable[str]) -> str:
    """Return the field of the metadata that names these files."""
    valid = (one for one in ids if _is_file_id(one))
    return " ".join([*dict.fromkeys(valid)][:MAX_SURPLUS])


def parse_file_ids(payload: Mapping[str, Any]) -> frozenset[str] | None:
    """Return the files that a reply names; `None` if it grows, or is of a version without them."""
    field = payload.get(FILES_FIELD)
    if not isinstance(field, str):
        return None
    return frozenset(filter(_is_file_id, field.split(" ", MAX_SURPLUS)[:MAX_SURPLUS]))


def _is_file_id(text: str) -> bool:
    return len(text) <= MAX_FILE_ID_CHARACTERS and bool(re.fullmatch(SLACK_ID_PATTERN, text))
