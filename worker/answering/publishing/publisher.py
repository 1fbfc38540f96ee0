"""
Publisher: posts a finished answer, an error, or the reply that a failed change would have lost.

Repeating a step changes nothing: each one edits known messages, or looks for what it has posted.
"""

from dataclasses import dataclass

import structlog

from contract.language import Translatable
from contract.rework import ReworkKind
from contract.texts import describe_stop, join_sentences
from contract.worker_status import ServedModel
from worker import render
from worker.answering.answer_cache import AnswerCache, StoreMode
from worker.answering.pipeline_run import PipelineRun
from worker.answering.publishing.finished_answer import FinishedAnswer
from worker.answering.publishing.reply_layout import LayoutKind, ReplyLayout, choose_layout
from worker.answering.publishing.reworks import (
    STORED_VERSIONS,
    add_note,
    collect_controls,
    describe_checks,
    note_replay,
    select_mode,
)
from worker.answering.served_models import ServedModels
from worker.errors import NoReplyError
from worker.jobs.job_context import Outcome
from worker.jobs.job_state import LAYOUT_KIND
from worker.metrics import Metrics
from worker.render import ComposedReply
from worker.slack.thread_messages import ReplyState

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ReplyPublisher:
    """Publishes replies. Methods raise the errors of `ReplyMessage`."""

    _layout: ReplyLayout
    _answer_cache: AnswerCache
    _models: ServedModels
    _metrics: Metrics

    async def publish_answer(self, run: PipelineRun, answer: FinishedAnswer) -> Outcome:
        """Replace the placeholder with the reply, or withdraw it if the question was deleted."""
        stopped = run.context.stopped.is_set()
        stopped_by = answer.facts.stopped_by
        if stopped and not stopped_by and await run.message.withdraw_if_deleted():
            return Outcome.WITHDRAWN
        if stopped and not answer.text:
            sentence = describe_stop(stopped_by) if stopped_by else render.texts.STOPPED
            restored = await self.restore_reply(run, sentence, Outcome.STOPPED)
            return restored or await self._post_stop(run, stopped_by)
        composed, kind = await self._compose(answer, choose_layout(run.progress))
        if run.progress.layout_kind is None:
            await run.message.state.write_fields({LAYOUT_KIND: kind})
        if run.rework is not None:
            await run.message.surplus.delete_old()
        answer = note_replay(run.rework, answer, run.versions.present)
        answer = describe_checks(answer, composed)
        mode = select_mode(run.rework, answer, run.versions.present)
        await run.message.publish_final(
            add_note(composed.parts, answer.note),
            state=_name_state(answer),
            may_exist=run.progress.answer is not None,
            controls=collect_controls(run.context.job, answer, composed, mode, run.versions),
        )
        stored = answer.to_stored_answer(is_covered=composed.is_covered)
        await self._answer_cache.store_answer(run.context.job, stored, mode)
        _log_reply(run.job_id, answer, composed)
        if run.rework not in STORED_VERSIONS:
            self._count_verdicts(answer, composed)
        if answer.is_pointer or run.rework is ReworkKind.ANYWAY:
            self._metrics.count_earlier_answer("shown" if answer.is_pointer else "answered_anyway")
        return Outcome.STOPPED if stopped else Outcome.ANSWERED

    def _count_verdicts(self, answer: FinishedAnswer, composed: ComposedReply) -> None:
        model = ServedModel(model=answer.details.model, revision=answer.details.revision)
        self._metrics.count_verdicts(model, composed.verdicts, self._models.list_models())

    async def _compose(
        self, answer: FinishedAnswer, kind: LayoutKind
    ) -> tuple[ComposedReply, LayoutKind]:
        earlier = answer.answer.earlier_answer
        if earlier is not None:
            return ComposedReply((render.compose_pointer(earlier, answer.facts.language),)), kind
        return await self._layout.compose_final(answer.text, answer.facts, kind)

    async def _post_stop(self, run: PipelineRun, stopped_by: str) -> Outcome:
        shown = await run.message.read_first() if run.progress.has_run else {}
        notice = [render.compose_stop_notice(stopped_by, run.context.job.language, shown)]
        await run.message.publish_final(notice, state=ReplyState.ERROR, may_exist=False)
        return Outcome.STOPPED

    async def restore_reply(
        self, run: PipelineRun, why: Translatable, outcome: Outcome
    ) -> Outcome | None:
        """
        Bring the finished reply back that the job was to change, and say why; return `outcome`.

        Return `None` if the job is a question, or Redis no longer keeps the reply.
        """
        job, present = run.context.job, run.versions.present
        if run.rework is None or present is None:
            return None
        answer = FinishedAnswer.from_stored_answer(job, present)
        composed, _ = await self._compose(answer, LayoutKind.MARKDOWN)
        note = join_sentences(why, render.texts.REPLY_RESTORED)
        parts = add_note(composed.parts, note.translate(job.language))
        if await run.message.surplus.is_left():
            # The later parts of the reply are still there.
            parts = parts[:1]
        else:
            await run.message.surplus.delete_new()
        mode = StoreMode.EXTEND
        await run.message.publish_final(
            parts,
            state=_name_state(answer),
            may_exist=False,
            controls=collect_controls(job, answer, composed, mode, run.versions),
        )
        return outcome

    async def explain_failure(self, run: PipelineRun, error: NoReplyError) -> Outcome:
        """Bring back the reply that the job was to change; an error takes a question's place."""
        restored = await self.restore_reply(run, error.user_message, Outcome.RESTORED)
        if restored is not None:
            return restored
        parts = [render.compose_status(error.user_message, run.context.job.language)]
        await run.message.publish_final(parts, state=ReplyState.ERROR, may_exist=False)
        return Outcome.ERROR_POSTED


def _name_state(answer: FinishedAnswer) -> ReplyState:
    return ReplyState.POINTER if answer.is_pointer else ReplyState.FINAL


def _log_reply(job: str, answer: FinishedAnswer, composed: ComposedReply) -> None:
    """Log what is known about a reply, without its text, under the id that *Details* shows."""
    details = answer.details
    log.info(
        "reply published",
        job=job,
        reply=details.reply_id,
        model=details.model,
        revision=details.revision,
        seed=details.seed,
        tokens=details.new_tokens,
        total_ms=details.total_ms,
        checks=[verdict.kind.value for verdict in details.verdicts],
        hints=details.hints,
        hidden_secrets=details.hidden_secrets,
        is_covered=composed.is_covered,
        is_pointer=answer.is_pointer,
    )
