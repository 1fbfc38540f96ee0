"""File store: three-step uploads, file objects and shares. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from fakeslack.errors import Json, SlackError
from fakeslack.state.people import TEAM_ID

UNSAFE_IN_ADDRESS = re.compile(r"[^a-z0-9._-]")
MAX_SNIPPET_BYTES = 2**20
MAX_PREVIEW_CHARACTERS = 500
SNIPPET_TYPE_NAMES = """
auto text apache applescript boxnote c csharp cpp css csv clojure coffeescript cfm d dart diff
dockerfile erlang fsharp fortran go groovy haml handlebars haskell haxe html java javascript
json jsx julia kotlin latex lisp lua markdown matlab mumps objc ocaml pascal perl php pig
powershell puppet python r ruby rust sass scala scheme shell smalltalk sql swift tsv tsx
typescript vb vbscript velocity verilog xml yaml
"""
SNIPPET_TYPES = frozenset(SNIPPET_TYPE_NAMES.split())
FILETYPES_BY_EXTENSION = {
    "py": "python",
    "js": "javascript",
    "ts": "typescript",
    "rb": "ruby",
    "rs": "rust",
    "sh": "shell",
    "md": "markdown",
    "txt": "text",
    "yml": "yaml",
    "cs": "csharp",
    "kt": "kotlin",
}
MIMETYPES_BY_EXTENSION = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "gif": "image/gif",
    "pdf": "application/pdf",
}


@dataclass(slots=True)
class File:
    """
    One file; other people see it once it is complete.

    A file that `needs_info` is described by `files.info` alone, as in a shared channel. Its address
    leads to `redirect_url` if there is one.
    """

    id: str
    owner: str
    name: str
    length: int
    filetype: str
    title: str = ""
    mimetype: str = "text/plain"
    content: bytes | None = None
    is_complete: bool = False
    created: int = 0
    shares: dict[str, list[Json]] = field(default_factory=dict)
    is_deleted: bool = False
    needs_info: bool = False
    redirect_url: str = ""

    def as_shared(self, base_url: str) -> Json:
        """Return the file object of a message."""
        if self.is_deleted:
            return {"id": self.id, "mode": "tombstone"}
        if self.needs_info:
            unknown = {"created": 0, "timestamp": 0, "user": "", "mode": "file_access"}
            return {"id": self.id, **unknown, "file_access": "check_file_info"}
        return self.as_slack(base_url)

    def as_slack(self, base_url: str) -> Json:
        """Return the file object; `base_url` is the address of the workspace."""
        address_name = UNSAFE_IN_ADDRESS.sub("_", self.name.lower())
        private = f"{base_url}/files-pri/{TEAM_ID}-{self.id}"
        body: Json = {
            "id": self.id,
            "created": self.created,
            "timestamp": self.created,
            "name": self.name,
            "title": self.title or self.name,
            "mimetype": self.mimetype,
            "filetype": self.filetype,
            "pretty_type": self.filetype.capitalize(),
            "user": self.owner,
            "user_team": TEAM_ID,
            "editable": False,
            "size": self.length,
            "mode": "snippet" if self.is_text else "hosted",
            "is_external": False,
            "is_public": False,
            "url_private": f"{private}/{address_name}",
            "url_private_download": f"{private}/download/{address_name}",
            "permalink": f"{base_url}/files/{self.owner}/{self.id}/{address_name}",
            "file_access": "visible",
        }
        if self.is_text and self.content is not None:
            text = self.content.decode("utf-8", "replace")
            body |= {"preview": text[:MAX_PREVIEW_CHARACTERS], "lines": text.count("\n") + 1}
            body["preview_is_truncated"] = len(text) > MAX_PREVIEW_CHARACTERS
        return body

    @property
    def is_text(self) -> bool:
        """Whether Slack shows the file as a snippet."""
        return self.mimetype.startswith("text/")

    @property
    def channels(self) -> list[str]:
        """The ids of the channels that the file is shared in."""
        return list(self.shares)


class FileStore:
    """All files of the workspace."""

    def __init__(self, epoch_seconds: Callable[[], float]) -> None:
        self._epoch_seconds = epoch_seconds
        self._files: dict[str, File] = {}

    def reserve_upload(self, owner: str, name: str, length: int, snippet_type: str = "") -> File:
        """
        Create a file for an upload.

        Raises `unknown_snippet_type` or `snippet_too_large` if the snippet is invalid.
        """
        if snippet_type and snippet_type not in SNIPPET_TYPES:
            raise SlackError("unknown_snippet_type")
        if snippet_type and length > MAX_SNIPPET_BYTES:
            raise SlackError("snippet_too_large")
        extension = name.rpartition(".")[2].lower()
        number = len(self._files) + 1
        file = File(
            id=f"F0FILE{number:05d}",
            owner=owner,
            name=name,
            length=length,
            filetype=snippet_type or FILETYPES_BY_EXTENSION.get(extension, extension),
            mimetype=MIMETYPES_BY_EXTENSION.get(extension, "text/plain"),
            created=int(self._epoch_seconds()),
        )
        self._files[file.id] = file
        return file

    def get_file(self, file_id: str) -> File:
        """Return a file. Raises `file_not_found` or `file_deleted` if there is none."""
        file = self._files.get(file_id)
        if file is None:
            raise SlackError("file_not_found")
        if file.is_deleted:
            raise SlackError("file_deleted")
        return file

    def delete_file(self, file_id: str) -> File:
        """Delete a file's content. Raises the errors of `get_file`."""
        file = self.get_file(file_id)
        file.content, file.is_deleted = None, True
        return file

    def move_shares(self, channel: str, new_channel: str) -> None:
        """Give the shares of all files in a channel to its new id."""
        for file in self._files.values():
            if channel in file.shares:
                file.shares[new_channel] = file.shares.pop(channel)

    def store_content(self, file_id: str, content: bytes) -> File:
        """Store the uploaded bytes. Raises `file_update_failed` if their length is unexpected."""
        file = self.get_file(file_id)
        if file.content is not None or len(content) != file.length:
            raise SlackError("file_update_failed")
        file.content = content
        return file

    def complete_upload(self, file_id: str, title: str) -> File:
        """Make a file visible to others. Raises `file_not_found` if it has no content."""
        file = self.get_file(file_id)
        if file.content is None or file.is_complete:
            raise SlackError("file_not_found")
        file.title, file.is_complete = title, True
        return file

    def record_share(self, file: File, channel: str, ts: str, thread_ts: str | None) -> None:
        """Record that a message shares the file."""
        share: Json = {"ts": ts}
        if thread_ts is not None:
            share["thread_ts"] = thread_ts
        file.shares.setdefault(channel, []).append(share)
