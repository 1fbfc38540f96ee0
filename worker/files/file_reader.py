"""File reader: texts of a thread's files, from Redis or Slack, and why others are unread."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from pydantic import ValidationError

from contract.attached_files import MAX_NAME_CHARACTERS, CachedFile, FileReference
from contract.conversation import Conversation
from contract.job import Job
from contract.language import Translatable
from contract.slack_errors import SCOPE_ERRORS
from worker.errors import NotAllowedError, SlackUnavailableError
from worker.files.content import has_byte_order_mark, is_sign_in_page, read_text, shows_end
from worker.files.downloads import FileDownloads, UnreadableFileError
from worker.files.file_cache import FileCache
from worker.prompt.builder import Prompt
from worker.prompt.file_excerpts import FileExcerpt, FileText
from worker.render.file_notes import ReadFile, UnreadFile, UnreadReason, describe_files
from worker.slack.client import RejectedError, SlackClient
from worker.slack.methods import FILES_INFO

log = structlog.get_logger()

INFO_SECONDS: Final = 10.0
"""Seconds for a call of `files.info`."""
SCOPE_MEMORY_SECONDS: Final = 600.0
"""Seconds for which a workspace counts as one that does not let the app read files."""
READABLE_MODES: Final = frozenset({"", "hosted", "snippet"})
"""Slack's modes of files with separate content; others are canvases, lists and mails."""
EXTERNAL_MODE: Final = "external"
NO_EXCERPT: Final = FileExcerpt()
GONE_ERRORS: Final = frozenset({"file_not_found", "file_deleted"})


ReadResult = tuple[str, FileText | UnreadReason]
"""Label of a file, and its text or why it is unread."""


@dataclass(frozen=True, slots=True)
class _Share:
    """A file and the `ts` of a message that shares it."""

    reference: FileReference
    ts: str


@dataclass(frozen=True, slots=True)
class ThreadFiles:
    """Files of a conversation by id, and how many more were left out."""

    files: Mapping[str, ReadResult] = field(default_factory=dict)
    left_out: int = 0

    @property
    def texts(self) -> dict[str, FileText]:
        """Texts of the files that were read, by id."""
        return {name: file for name, (_, file) in self.files.items() if isinstance(file, FileText)}

    def count_use(self, prompt: Prompt) -> tuple[int, int]:
        """Return how many files the prompt shows, and how many it does not."""
        shown = sum(prompt.excerpts.get(name, NO_EXCERPT).is_visible for name in self.files)
        return shown, len(self.files) - shown + self.left_out

    def describe_use(self, prompt: Prompt) -> Translatable:
        """Return the sentences about what the prompt shows of the files."""
        read: list[ReadFile] = []
        unread: list[UnreadFile] = []
        for name, (label, file) in self.files.items():
            excerpt = prompt.excerpts.get(name, NO_EXCERPT)
            if isinstance(file, UnreadReason):
                unread.append(UnreadFile(label, file))
            elif not excerpt.is_visible:
                unread.append(UnreadFile(label, UnreadReason.NO_ROOM))
            else:
                lines = (excerpt.head_lines, excerpt.tail_lines, excerpt.total_lines)
                flags = (excerpt.is_whole, file.is_cut, excerpt.is_shortened)
                read.append(ReadFile(label, *lines, *flags))
        return describe_files(read, unread, self.left_out)


class FileReader:
    """Reads the files of conversations."""

    def __init__(self, slack: SlackClient, downloads: FileDownloads, cache: FileCache) -> None:
        self._slack = slack
        self._downloads = downloads
        self._cache = cache
        self._without_scope: dict[str, float] = {}

    async def read_files(self, job: Job, turns: Conversation) -> ThreadFiles:
        """
        Read the files of a job's turns, all at once. Each that cannot be read has a reason.

        Raises `AppRefusedError` and `RedisError`.
        """
        shares = {file.id: _Share(file, turn.ts) for turn in turns for file in turn.files}
        left_out = sum(turn.files_left_out for turn in turns)
        if not shares:
            return ThreadFiles(left_out=left_out)
        cached = await self._cache.load_files(job, [(n, share.ts) for n, share in shares.items()])
        files = await asyncio.gather(
            *(self._read_file(job, share, cached.get(name)) for name, share in shares.items())
        )
        unread = [reason for _, reason in files if isinstance(reason, UnreadReason)]
        log.info(
            "files read",
            job=job.id,
            read=len(files) - len(unread),
            cached=len(cached),
            unread=dict(Counter(unread)),
            left_out=left_out,
        )
        return ThreadFiles(dict(zip(shares, files, strict=True)), left_out)

    async def _read_file(self, job: Job, share: _Share, cached: CachedFile | None) -> ReadResult:
        """Return the label of a file, and its text or why it is unread."""
        reference = share.reference
        try:
            if cached is None:
                reference = await self._complete_reference(job, reference)
                cached = await self._download_text(job, reference)
                await self._cache.store_file(job, (reference.id, share.ts), cached)
        except UnreadableFileError as error:
            return reference.label, error.reason
        if cached.text is None:
            return reference.label, UnreadReason.NOT_TEXT
        return reference.label, FileText(cached.text, cached.is_cut, shows_end(reference))

    async def _complete_reference(self, job: Job, reference: FileReference) -> FileReference:
        """Return a reference with an address. Raises `UnreadableFileError` if there is none."""
        if time.monotonic() < self._without_scope.get(job.thread.team, 0.0):
            raise UnreadableFileError(UnreadReason.NO_SCOPE)
        if not reference.url:
            reference = _parse_info(reference.id, await self._get_info(job, reference.id))
        if reference.mode not in READABLE_MODES:
            is_external = reference.mode == EXTERNAL_MODE
            raise UnreadableFileError(
                UnreadReason.OUTSIDE if is_external else UnreadReason.NOT_TEXT
            )
        return reference

    async def _download_text(self, job: Job, reference: FileReference) -> CachedFile:
        try:
            found = await self._downloads.download_file(reference.url, job.thread.team)
        except UnreadableFileError as error:
            if error.reason is UnreadReason.NOT_TEXT:
                return CachedFile(text=None)
            if error.reason is not UnreadReason.DENIED:
                raise
            found = None
        if found is None or is_sign_in_page(
            found.content, found.content_type, reference, is_redirected=found.is_redirected
        ):
            # Slack does not say why it refuses a file; this call does.
            await self._get_info(job, reference.id)
            raise UnreadableFileError(UnreadReason.DENIED)
        text, is_cut = await asyncio.to_thread(read_text, found.content, is_cut=found.is_cut)
        is_recoded = has_byte_order_mark(found.content)
        return CachedFile(text=text, is_cut=is_cut, is_recoded=is_recoded)

    async def _get_info(self, job: Job, file_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + INFO_SECONDS
        try:
            return await self._slack.call(FILES_INFO, job.thread.team, {"file": file_id}, deadline)
        except NotAllowedError as error:
            if str(error) not in SCOPE_ERRORS:
                raise UnreadableFileError(UnreadReason.DENIED) from None
            self._without_scope[job.thread.team] = time.monotonic() + SCOPE_MEMORY_SECONDS
            raise UnreadableFileError(UnreadReason.NO_SCOPE) from None
        except RejectedError as error:
            is_gone = str(error) in GONE_ERRORS
            raise UnreadableFileError(
                UnreadReason.GONE if is_gone else UnreadReason.DENIED
            ) from None
        except SlackUnavailableError:
            raise UnreadableFileError(UnreadReason.UNAVAILABLE) from None


def _parse_info(file_id: str, answer: dict[str, Any]) -> FileReference:
    """Read a response of `files.info`. Raises `UnreadableFileError` if it has no address."""
    file = answer.get("file")
    file = file if isinstance(file, dict) else {}
    try:
        reference = FileReference(
            id=file_id,
            name=str(file.get("name") or file.get("title") or "")[:MAX_NAME_CHARACTERS],
            mimetype=file.get("mimetype", ""),
            filetype=file.get("filetype", ""),
            mode=file.get("mode", ""),
            url=file.get("url_private_download") or file.get("url_private") or "",
        )
    except ValidationError:
        raise UnreadableFileError(UnreadReason.DENIED) from None
    if not reference.url:
        raise UnreadableFileError(UnreadReason.DENIED)
    return reference
