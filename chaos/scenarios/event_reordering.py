"""Event reordering: edits and deletions arrive before the messages that they change."""

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
"""Events that are shuffled among each other."""
DELETE_PROBABILITY: Final = 0.1
EDIT_PROBABILITY: Final = 0.3
EDIT_MARKER: Final = "Better:"
"""Beginning of every edited question, and of no other."""


def reorder_events(run: ScenarioRun) -> None:
    """Shuffle the events; delete some questions at once, edit others."""
    workspace = run.cluster.workspace
    workspace.set_faults(
        deliveries={"reorder": REORDER_WINDOW_EVENTS}, seed=run.rng.randint(0, 999)
    )
    edited: list[Question] = []
    lengths = draw_thread_lengths(run.rng, run.scale_count(100))
    # Edited at once: an event that comes seconds later arrives later.
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
        run.failures.append(f"{len(stale)} of {len(edited)} answered by their text before the edit")


def _edit_came_first(run: ScenarioRun, question: Question) -> bool:
    """Return whether Slack delivered a question's edit before the question."""
    sent = run.cluster.workspace.delivery_attempts()
    question_sent_at = [e["sent_at"] for e in sent if e["ts"] == question.ts]
    edit_sent_at = [e["sent_at"] for e in sent if e["changed_ts"] == question.ts]
    return bool(question_sent_at and edit_sent_at) and min(edit_sent_at) < min(question_sent_at)


def _find_stale_replies(run: ScenarioRun, edited: list[Question]) -> list[Question]:
    """Return the edited questions whose old text was answered without an offer to reanswer."""
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
    """Return the question's text in its job, which the worker answered."""
    rq_job = RqJob.fetch(question_job_id(question), connection=redis, serializer=JSONSerializer)
    return Job.from_json(rq_job.args[0]).question.text


EVENTS_REORDERED: Final = Scenario(
    "events-reordered",
    "S7",
    "events shuffled in windows of ten; questions edited, deleted",
    reorder_events,
)
