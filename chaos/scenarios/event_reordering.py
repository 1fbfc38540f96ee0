"""Event reordering: edits and deletions arrive before the messages that they change."""

from functools import partial
from random import Random
from typing import Final

from redis import Redis
from rq.job import Job as RqJob

from bot.store.rq_job import decode_payload
from chaos.fault_loop import FaultLoop
from chaos.load import Question, draw_thread_lengths
from chaos.recovery import question_job_id
from chaos.run import ScenarioRun
from chaos.scenario import Scenario
from testing.memorizing_model import COUNT

REORDER_WINDOW_EVENTS: Final = 10
"""Events that are shuffled among each other."""
DELETE_PROBABILITY: Final = 0.1
EDIT_PROBABILITY: Final = 0.3
READ_INTERVAL_SECONDS: Final = 0.05
EDIT_MARKER: Final = "Better:"
"""Beginning of every edited question, and of no other."""


def reorder_events(run: ScenarioRun) -> None:
    """Shuffle the events; delete some questions at once, edit others."""
    workspace = run.cluster.workspace
    workspace.set_faults(
        deliveries={"reorder": REORDER_WINDOW_EVENTS}, seed=run.rng.randint(0, 999)
    )
    edited: list[Question] = []
    texts: dict[str, str] = {}
    with run.cluster.connect_redis() as redis:
        read_texts = partial(_read_texts, redis, edited, texts)
        with FaultLoop(Random(0), READ_INTERVAL_SECONDS, read_texts):  # noqa: S311 - no secret
            _ask_and_change(run, edited)
            run.wait_for_replies()
    early_edits = sum(_edit_came_first(run, question) for question in edited)
    run.notes.append(f"{early_edits} edits came before what they changed")
    run.notes.append(f"{len(texts)} of {len(edited)} edited jobs read")
    stale = _find_stale_replies(run, edited, texts)
    if stale:
        run.failures.append(f"{len(stale)} of {len(edited)} answered by their text before the edit")


def _ask_and_change(run: ScenarioRun, edited: list[Question]) -> None:
    """Ask in threads; delete some questions and edit others, which are added to `edited`."""
    workspace = run.cluster.workspace
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


def _edit_came_first(run: ScenarioRun, question: Question) -> bool:
    """Return whether Slack delivered a question's edit before the question."""
    sent = run.cluster.workspace.delivery_attempts()
    question_sent_at = [e["sent_at"] for e in sent if e["ts"] == question.ts]
    edit_sent_at = [e["sent_at"] for e in sent if e["changed_ts"] == question.ts]
    return bool(question_sent_at and edit_sent_at) and min(edit_sent_at) < min(question_sent_at)


def _find_stale_replies(
    run: ScenarioRun, edited: list[Question], answered: dict[str, str]
) -> list[Question]:
    """Return the edited questions whose old text was answered without an offer to reanswer."""
    calls = run.cluster.workspace.api_calls(method="chat.postEphemeral")
    offered = {(call["args"].get("user"), call["args"].get("thread_ts")) for call in calls}
    return [
        question
        for question in edited
        if EDIT_MARKER not in answered.get(question.ts, EDIT_MARKER)
        and (question.user, question.thread) not in offered
    ]


def _read_texts(redis: Redis, questions: list[Question], texts: dict[str, str]) -> None:
    """Note the text of each question's job by the question's `ts`; an ended job has none."""
    for question in tuple(questions):
        name = question_job_id(question)
        data = redis.hget(RqJob.key_for(name), "data")
        job = decode_payload(redis, name, data) if data else None
        if job is not None:
            texts[question.ts] = job.question.text


EVENTS_REORDERED: Final = Scenario(
    "events-reordered",
    "S7",
    "events shuffled in windows of ten; questions edited, deleted",
    reorder_events,
)
