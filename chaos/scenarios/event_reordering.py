"""Rows in which Slack's events come shuffled: edits and deletions before what they are about."""

from typing import Final

from redis import Redis
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer

from chaos.load import Question, draw_thread_lengths
from chaos.recovery import question_job_id
from chaos.run import ScenarioRun
from chaos.scenario import Scenario
from contract.job import Job
from testing.memorizing_model import COUNT

REORDER_WINDOW_EVENTS: Final = 10
"""Events among which the order is left to chance."""
DELETE_PROBABILITY: Final = 0.1
EDIT_PROBABILITY: Final = 0.3
EDIT_MARKER: Final = "Better:"
"""Stands in the new text of an edited question, and in no other."""


def reorder_events(run: ScenarioRun) -> None:
    """Shuffle the events; some people take their question back at once, some put it better."""
    workspace = run.cluster.workspace
    workspace.set_faults(
        deliveries={"reorder": REORDER_WINDOW_EVENTS}, seed=run.rng.randint(0, 999)
    )
    edited: list[Question] = []
    lengths = draw_thread_lengths(run.rng, run.scale_count(100))
    # At once: an edit that comes seconds later overtakes nothing.
    for question in run.load.ask_in_threads(run.rng, lengths):
        run.questions.append(question)
        place = (question.user, question.channel, question.ts)
        chance = run.rng.random()
        if chance < DELETE_PROBABILITY:
            workspace.delete_message(*place)
            run.deleted.add(question.ts)
        elif chance < DELETE_PROBABILITY + EDIT_PROBABILITY:
            workspace.edit_message(*place, f"@StarChat {EDIT_MARKER} {COUNT} {question.token}")
            edited.append(question)
    run.faults["deleted"] += len(run.deleted)
    run.faults["edited"] += len(edited)
    run.faults["shuffled"] += len(run.questions)
    run.wait_for_replies()
    early_edits = sum(_edit_came_first(run, question) for question in edited)
    run.notes.append(f"{early_edits} edits came before what they changed")
    stale = _find_stale_replies(run, edited)
    if stale:
        run.failures.append(f"{len(stale)} of {len(edited)} answered as they were before the edit")


def _edit_came_first(run: ScenarioRun, question: Question) -> bool:
    """Say whether Slack told of an edit before it told of the question."""
    sent = run.cluster.workspace.delivery_attempts()
    question_sent_at = [e["sent_at"] for e in sent if e["ts"] == question.ts]
    edit_sent_at = [e["sent_at"] for e in sent if e["changed_ts"] == question.ts]
    return bool(question_sent_at and edit_sent_at) and min(edit_sent_at) < min(question_sent_at)


def _find_stale_replies(run: ScenarioRun, edited: list[Question]) -> list[Question]:
    """Return those that were answered as they were, and whose person was offered no new answer."""
    calls = run.cluster.workspace.api_calls(method="chat.postEphemeral")
    offered = {(call["args"].get("user"), call["args"].get("thread_ts")) for call in calls}
    with run.cluster.connect_redis() as redis:
        return [
            question
            for question in edited
            if EDIT_MARKER not in _read_answered_text(redis, question)
            and (question.user, question.thread) not in offered
        ]


def _read_answered_text(redis: Redis, question: Question) -> str:
    """Return the text to which the reply belongs."""
    rq_job = RqJob.fetch(question_job_id(question), connection=redis, serializer=JSONSerializer)
    return Job.from_json(rq_job.args[0]).question.text


EVENTS_REORDERED: Final = Scenario(
    "S7", "events shuffled in windows of ten; questions edited, deleted", reorder_events
)
