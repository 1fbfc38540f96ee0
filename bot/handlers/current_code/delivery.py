"""
Delivery of current code: uploads the files of a thread, and shares them by one message.

What is about to be shared is recorded before, and Slack shares an upload once. So any bot completes
what another one began, and a thread gets the files of a request at most once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from redis.exceptions import RedisError

from bot.current_code.assembly import assemble_code
from bot.current_code.model import OutputFile
from bot.current_code.summary import choose_outputs, describe_code, describe_request
from bot.failpoints import Failpoint
from bot.handlers.current_code.code_reader import CodeReader
from bot.handlers.notice_outbox import NoticeOutbox
from bot.handlers.personal_notices import retry_delay
from bot.handlers.sweeper import Sweeper
from bot.notices import Notice, Sentence
from bot.slack.client import CALL_ERRORS, error_name, is_refusal
from bot.slack.file_sharer import FileSharer
from bot.store.code_runs import MAX_UPLOADS, CodeRun, CodeRuns, UploadedFile
from contract.job import Thread
from contract.slack_errors import UNREADABLE_ERRORS

log = structlog.get_logger()

RETRY_SECONDS: Final = 30.0
"""Seconds until another attempt, after a failure whose effect is not known."""
MAX_TRIES: Final = 5
PERMISSION_ERRORS: Final = frozenset(
    {
        *("missing_scope", "not_allowed_token_type", "no_permission", "access_denied"),
        *("restricted_action", "file_uploads_disabled", "file_uploads_except_images_disabled"),
    }
)
"""Slack's errors if the app may not share files."""


@dataclass(frozen=True, slots=True)
class CodeDelivery:
    """Delivers the code of threads. Methods raise `RedisError`."""

    runs: CodeRuns
    reader: CodeReader
    sharer: FileSharer
    notices: NoticeOutbox

    def build_sweeper(self) -> Sweeper:
        """Build the thread that completes runs: uploads may take minutes."""
        return Sweeper("current code", (self.deliver_due,), (RedisError, *CALL_ERRORS))

    def deliver_due(self) -> None:
        """Complete the runs that other bots have left."""
        for thread in self.runs.list_due():
            self.deliver_code(thread)

    def deliver_code(self, thread: Thread, *, first: bool = False) -> None:
        """Bring the run of a thread to its end, or let it be tried again."""
        run = self.runs.lease(thread, first=first)
        if run is None:
            return
        try:
            # What ends a bot or a thread each time must not do so for an hour.
            sentence = (
                self._try_to_deliver(run) if run.tries < MAX_TRIES else Sentence.CODE_NOT_SHARED
            )
        except CALL_ERRORS as error:
            log.warning("code not shared", channel=thread.channel, why=error_name(error))
            delay = retry_delay(error)
            is_final = delay is None and is_refusal(error)
            if not is_final and run.tries + 1 < MAX_TRIES:
                self.runs.postpone(run, delay or RETRY_SECONDS)
                return
            sentence = _explain_error(error)
        if sentence is not None and self.runs.renew_lease(run):
            self.notices.tell_user(thread, run.user, Notice(sentence))
        self.runs.finish(run)

    def _try_to_deliver(self, run: CodeRun) -> Sentence | None:
        """Share the code of a thread; return what its person must read instead, if anything."""
        if run.uploads and self._find_share(run):
            return None
        read = self.reader.read_thread(run.thread)
        if read is None:
            return Sentence.CODE_UNREADABLE
        code = assemble_code(read.turns)
        outputs = choose_outputs(code, MAX_UPLOADS)
        if not outputs:
            return Sentence.CODE_MISSING
        prepared = run if run.uploads else self._upload_files(run, outputs)
        if prepared is None:
            return None
        languages = self.notices.languages
        language = languages.find_for_thread(run.thread.channel, run.user)
        words = describe_code(code, outputs, read.questions, read.missing)
        comment = describe_request(words, run.user)
        self._share(prepared, comment.translate(language))
        log.info("code shared", channel=run.thread.channel, files=len(prepared.uploads))
        return None

    def _upload_files(self, run: CodeRun, outputs: Sequence[OutputFile]) -> CodeRun | None:
        """Upload files, which no channel shows yet; `None` if another bot has leased the run."""
        uploads: list[UploadedFile] = []
        for one in outputs:
            if not self.runs.renew_lease(run):
                return None
            file_id = self.sharer.upload_file(one.name, one.text, one.snippet_type)
            uploads.append(UploadedFile(id=file_id, title=one.name))
        recorded = self.runs.set_uploads(run, tuple(uploads))
        if recorded is not None:
            self.notices.failpoints.hit(Failpoint.AFTER_CODE_UPLOADED)
        return recorded

    def _share(self, run: CodeRun, comment: str) -> None:
        files = [(upload.id, upload.title) for upload in run.uploads]
        try:
            self.sharer.share_files(run.thread, files, comment)
        except CALL_ERRORS as error:
            # Slack shares an upload once: another bot may have been faster.
            if not is_refusal(error) or not self._find_share(run):
                raise
        self.notices.failpoints.hit(Failpoint.AFTER_CODE_SHARED)

    def _find_share(self, run: CodeRun) -> bool:
        files = frozenset(upload.id for upload in run.uploads)
        return bool(self.reader.thread_cache.find_own_messages(run.thread, "", files))


def _explain_error(error: Exception) -> Sentence:
    name = error_name(error)
    if name in PERMISSION_ERRORS:
        return Sentence.CODE_NOT_ALLOWED
    return Sentence.CODE_UNREADABLE if name in UNREADABLE_ERRORS else Sentence.CODE_NOT_SHARED
