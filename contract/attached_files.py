"""References to the files of messages: what a worker needs to read a file from Slack."""

import re
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_FILES_PER_THREAD: Final = 8
"""Files of a thread that a worker reads: the question's, then the newest."""
MAX_NAME_CHARACTERS: Final = 200
"""Longer names and titles are cut."""
MAX_PREVIEW_CHARACTERS: Final = 4_000
"""Longer previews are cut; Slack shows a few lines."""
MAX_URL_CHARACTERS: Final = 1_000
MAX_TEXT_CHARACTERS: Final = 256 * 1024
"""The rest of a longer text is not kept."""
FILE_ID_PATTERN: Final = r"^[A-Za-z0-9]{1,100}$"
KIND_PATTERN: Final = r"^[A-Za-z0-9.+_/-]{0,100}$"
"""A media type, Slack's `filetype` or Slack's `mode`; empty if Slack gives none."""
URL_PATTERN: Final = r"^(https?://[!-\[\]-~]+)?$"
"""Visible ASCII without a backslash, which some parsers read as a slash."""

NO_TEXT_PATTERN: Final = re.compile(
    r"(image|audio|video|font)/|application/(pdf|zip|gzip|msword|vnd\.(ms-|openxml))"
)
"""Media types of files that hold no text. The worker decides by the content alone."""

Kind = Annotated[str, Field(pattern=KIND_PATTERN)]


class FileReference(BaseModel):
    """
    A file of a message, by what Slack says of it.

    `url` is empty if Slack gives no usable one; `files.info` may know it. Its host is checked where
    a token would be sent to it: a reference may come from another workspace. `title` is empty
    if `name` says the same. `preview` are the first lines that Slack shows of a snippet, and
    `has_more` is whether the file is longer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=FILE_ID_PATTERN)
    name: str = Field(default="", max_length=MAX_NAME_CHARACTERS)
    title: str = Field(default="", max_length=MAX_NAME_CHARACTERS)
    mimetype: Kind = ""
    filetype: Kind = ""
    mode: Kind = ""
    size: int = Field(default=0, ge=0)
    url: str = Field(default="", max_length=MAX_URL_CHARACTERS, pattern=URL_PATTERN)
    preview: str = Field(default="", max_length=MAX_PREVIEW_CHARACTERS)
    has_more: bool = False

    @property
    def label(self) -> str:
        """Name and title on one line, as people know the file."""
        label = f"{self.title} ({self.name})" if self.title and self.name else self.name
        return " ".join((label or self.title).split()) or "file"

    @property
    def may_be_text(self) -> bool:
        """Whether the media type does not exclude text."""
        return NO_TEXT_PATTERN.match(self.mimetype) is None


class CachedFile(BaseModel):
    """
    Text of a file in Redis; `None` if it is no text. `is_cut` if the file is longer.

    `is_recoded` is whether its bytes are not the text in UTF-8: it has a byte order mark.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    text: str | None = Field(max_length=MAX_TEXT_CHARACTERS)
    is_cut: bool = False
    is_recoded: bool = False

    @classmethod
    def from_entry(cls, entry: str | bytes | None) -> Self | None:
        """Parse an entry; `None` if there is none, or another version wrote it."""
        try:
            return None if entry is None else cls.model_validate_json(entry)
        except ValidationError:
            return None
