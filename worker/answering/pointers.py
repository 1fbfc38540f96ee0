"""Pointers: replies that name an earlier answer to a like question, instead of a generated text."""

from contract.answers import Answer
from contract.reply_details import MS_PER_SECOND, ReplyDetails, limit_count
from worker.answering.generation_record import name_stop
from worker.answering.pipeline_run import PipelineRun
from worker.answering.publishing.finished_answer import FinishedAnswer, create_reply_id
from worker.errors import EditedError
from worker.failpoints import Failpoint, Failpoints
from worker.jobs.job_context import RequeueError
from worker.jobs.job_state import ANSWER_RECOVERIES, GenerationUsage
from worker.render import ReplyFacts


async def save_pointer(run: PipelineRun, failpoints: Failpoints) -> FinishedAnswer:
    """
    Save, before anything is posted, that the reply points to the job's earlier answer.

    It needs no model, and costs no GPU time.

    Raises `RequeueError` if the question was edited: the queued job holds its new text.
    """
    context, state = run.context, run.message.state
    is_stopped = context.stopped.is_set()
    facts = ReplyFacts("", "stop", 0, language=context.job.language)
    stop = await state.read_stop() if is_stopped else None
    if stop is not None:
        facts = name_stop(facts, context.job, stop, 0)
    reply_id = create_reply_id()
    answer = FinishedAnswer(
        Answer(text="", reply_id=reply_id, earlier_answer=run.earlier_answer),
        facts,
        ReplyDetails(reply_id=reply_id),
    )
    fields = answer.to_fields() | {ANSWER_RECOVERIES: str(run.progress.recoveries)}
    usage = GenerationUsage(0, limit_count(context.age_seconds * MS_PER_SECOND))
    failpoints.hit(Failpoint.BEFORE_ANSWER_SAVED)
    try:
        await state.save_answer(context.job, fields, usage, "" if is_stopped else context.revision)
    except EditedError:
        raise RequeueError from None
    failpoints.hit(Failpoint.AFTER_ANSWER_SAVED)
    return answer
