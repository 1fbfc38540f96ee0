"""
Rework: *Regenerate*, *Previous*, *Continue* and *Replay* change a finished reply in place.

*Answer anyway* puts an answer in the place of a reply that only points to an earlier one.

A press is a job like a question: accepted by what Redis holds, read afterwards, and taken by a
worker in its thread's order. Until a worker begins, the reply stays as it is.
"""

import re
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog

from bot import texts
from bot.concurrency import AlarmClock, BackgroundTasks
from bot.failpoints import Failpoint, Failpoints
from bot.handlers.admission_control import AdmissionControl
from bot.handlers.commands import CommandHandler
from bot.handlers.job_builder import JobBuilder, Source
from bot.messages.admission import Verdict
from bot.messages.block_actions import ReworkRequested
from bot.messages.message import POINTER_STATE, Message, read_metadata
from bot.notices import Notice, Sentence
from bot.rules.channel_rules import ChannelRules
from bot.slack.poster import Poster
from bot.store.acceptance import REFUSED_OUTCOMES, EnqueueOutcome
from bot.store.client import NotCachedError, retry_redis
from bot.store.inbox import FillOutcome, Inbox
from bot.store.job_queue import JobQueue
from bot.store.job_updates import JobUpdates
from bot.store.received import ReceivedRework, received_job_id
from bot.store.stored_answers import StoredAnswers
from contract import keys
from contract.job import SLACK_ID_PATTERN, Thread, job_id
from contract.rework import Rework, ReworkKind
from contract.surplus import MAX_SURPLUS, Surplus

log = structlog.get_logger()

SHARED_WORK: Final = frozenset({ReworkKind.ANYWAY})
"""Work for which all may press who may ask in the channel; for other work, the asker alone."""
LATE_WORK: Final = frozenset({ReworkKind.ANYWAY, ReworkKind.SHOW})
"""Work on a reply that later turns may follow: they do not build on what it changes."""
FIRST_LOOK_SECONDS: Final = 0.5
"""Seconds after which a press that no worker has taken gets a sign."""


@dataclass(frozen=True, slots=True)
class ReworkHandler:
    """Handles presses. Methods raise `RedisError`."""

    job_builder: JobBuilder
    admission: AdmissionControl
    queue: JobQueue
    inbox: Inbox
    job_updates: JobUpdates
    answers: StoredAnswers
    commands: CommandHandler
    poster: Poster
    background: BackgroundTasks
    alarm: AlarmClock
    failpoints: Failpoints

    def accept_press(self, request: ReworkRequested) -> None:
        """Accept a press as a job, once; tell its person why if that is refused."""
        thread, address = request.thread, request.address
        is_open = thread.channel.startswith("D") or request.rework.kind in SHARED_WORK
        if not is_open and request.user != address.asker:
            self._tell(thread, request.user, Notice(Sentence.CONTROL_REFUSED))
            return
        job = job_id(thread.team, thread.channel, address.ts)
        refusal = self._find_refusal(thread, address.ts, request.rework)
        if refusal is not None:
            if self.job_updates.is_unfinished(thread, job):
                # The reply's button was pressed before its job had ended.
                refusal = Sentence.STILL_ANSWERING
            self._tell(thread, request.user, Notice(refusal))
            return
        received = _describe_press(request, self.queue.find_reply_files(job))
        receipt = self.inbox.accept(received)
        log.info("rework", job=job, kind=request.rework.kind, outcome=receipt.outcome)
        if receipt.outcome in REFUSED_OUTCOMES:
            self._tell(thread, request.user, self.commands.describe_refusal(receipt))
        elif receipt.outcome is EnqueueOutcome.ACCEPTED:
            self.alarm.set_alarm()
            self.background.submit_after(FIRST_LOOK_SECONDS, "rework", self._show_wait, received)

    def fill_rework(self, job_name: str, received: ReceivedRework, source: Source) -> None:
        """
        Fill the job of an accepted press in, or refuse it. The reply stays until a worker begins.

        Raises what its `Source` says.
        """
        if source is Source.CACHE:
            raise NotCachedError
        revision = self.inbox.get_revision(job_name)
        messages = self.job_builder.read_thread(received.thread, source) or ()
        parts = self.job_builder.thread_cache.find_whole_reply(
            received.thread, received.ts, received.files
        )
        rules, verdict = self._admit(received, source)
        refusal = _check_thread(messages, parts, received)
        refusal = refusal or (None if verdict is None else Sentence(verdict.value))
        if refusal is not None:
            self.refuse_rework(received, refusal)
            self.queue.cancel_job(job_name)
            return
        author = (received.user, received.user_team)
        job = self.job_builder.build_job(received.thread, received.ts, author, messages, source)
        job = self.job_builder.apply_rules(job, rules)
        job = job.model_copy(update={"rework": received.rework, "presser": received.presser})
        fields = {
            keys.REWORK: received.rework.kind.value,
            keys.PLACEHOLDER_OWNER: keys.BOT_AGAIN,
            keys.PLACEHOLDER: str(parts[0]["ts"]),
            keys.SURPLUS: _find_surplus(parts).model_dump_json(),
        }
        outcome = self.inbox.fill_job(job, revision, fields)
        if outcome is FillOutcome.CONFLICT:
            raise NotCachedError
        self.failpoints.hit(Failpoint.AFTER_FILL)

    def _admit(
        self, received: ReceivedRework, source: Source
    ) -> tuple[ChannelRules, Verdict | None]:
        """Return the rules of a channel, and the verdict about a person who may not ask there."""
        channel, presser = received.thread.channel, received.presser
        if presser is None:
            return self.admission.rules.admit_user(channel, received.user, source)
        team = received.presser_team or received.user_team
        return self.admission.admit_presser(channel, presser, team, source)

    def refuse_rework(self, received: ReceivedRework, sentence: Sentence) -> None:
        """Tell why a press that was accepted does nothing."""
        log.info("rework refused", job=received_job_id(received), why=sentence.value)
        self._tell(received.thread, received.presser or received.user, Notice(sentence))

    def _find_refusal(self, thread: Thread, ts: str, rework: Rework) -> Sentence | None:
        """Return why Redis alone speaks against a press; `None` if nothing does."""
        present, previous = self.answers.read_versions(thread, ts)
        if present is None:
            # A pointer has no text that could be lost, and its own message tells what it is.
            return None if rework.kind is ReworkKind.ANYWAY else Sentence.REPLY_NOT_KEPT
        is_pointer = present.earlier_answer is not None
        fits = is_pointer == (rework.kind is ReworkKind.ANYWAY)
        if present.reply_id != rework.reply_id or not fits:
            return Sentence.REPLY_CHANGED
        if rework.kind is ReworkKind.PREVIOUS and previous is None:
            return Sentence.PREVIOUS_NOT_KEPT
        if rework.kind is ReworkKind.ANOTHER and not present.others:
            return Sentence.OTHERS_NOT_KEPT
        if rework.kind is ReworkKind.CONTINUE and not present.is_cut:
            return Sentence.REPLY_NOT_CUT
        own = job_id(thread.team, thread.channel, ts)
        # Slack's timestamps have a fixed width, so their order as text is their order in time.
        is_later = any(job > own for job in self.job_updates.list_unfinished_jobs(thread))
        return Sentence.LATER_TURN if is_later and rework.kind not in LATE_WORK else None

    def _show_wait(self, received: ReceivedRework) -> None:
        thread, languages = received.thread, self.commands.notices.languages
        if retry_redis(partial(self.job_updates.is_waiting, received_job_id(received))):
            find = partial(languages.find_for_thread, thread.channel, received.user)
            self.poster.set_status(thread, texts.REWORK_WAITS.translate(retry_redis(find)))

    def _tell(self, thread: Thread, user: str, notice: Notice) -> None:
        self.commands.notices.tell_user(thread, user, notice)


def _describe_press(request: ReworkRequested, files: frozenset[str]) -> ReceivedRework:
    thread, address = request.thread, request.address
    is_own = request.user == address.asker
    return ReceivedRework(
        thread=thread,
        ts=address.ts,
        user=address.asker,
        # A colleague's press does not tell the asker's team, which no rework depends on.
        user_team=request.user_team if is_own else thread.team,
        rework=request.rework,
        pressed_at=request.pressed_at,
        presser=None if is_own else request.user,
        presser_team=None if is_own else request.user_team,
        files=files,
    )


def _check_thread(
    messages: tuple[Message, ...], parts: list[dict[str, Any]], received: ReceivedRework
) -> Sentence | None:
    """Return why a thread speaks against work on a reply; `None` if nothing does."""
    question = next((m for m in messages if m.ts == received.ts), None)
    if question is None or question.author != received.user:
        return Sentence.QUESTION_NOT_FOUND
    if not parts or read_metadata(parts[0]).get("part") != 1:
        return Sentence.REPLY_DELETED
    is_pointer = read_metadata(parts[0]).get("state") == POINTER_STATE
    if is_pointer != (received.rework.kind is ReworkKind.ANYWAY):
        return Sentence.REPLY_CHANGED
    if received.rework.kind in LATE_WORK:
        return None
    is_later = any((m.question_ts or "") > received.ts for m in messages)
    return Sentence.LATER_TURN if is_later else None


def _find_surplus(parts: list[dict[str, Any]]) -> Surplus:
    """Return the messages and files of a reply besides its first message."""
    found = [
        str(file["id"])
        for raw in parts
        for file in raw.get("files") or []
        if isinstance(file, dict) and re.fullmatch(SLACK_ID_PATTERN, str(file.get("id")))
    ]
    later = [str(raw["ts"]) for raw in parts[1:]]
    return Surplus(messages=tuple(later[:MAX_SURPLUS]), files=tuple(found[:MAX_SURPLUS]))
