"""Rows in which Slack's events come shuffled: edits and deletions before what they are about."""

from typing import Final

from redis import Redis
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer

from chaos.load import Question, dealt
from chaos.recovery import job_of
from chaos.run import Trial
from chaos.scenario import Row
from contract.job import Job
from testing.memorizing_model import COUNT

WINDOW: Final = 10
"""Events among which the order is left to chance."""
DELETED: Final = 0.1
EDITED: Final = 0.3
NEWER: Final = "Better:"
"""Stands in the new text of an edited question, and in no other."""


def disorder(trial: Trial) -> None:
    """Shuffle the events; some people take their question back at once, some put it better."""
    workspace = trial.stage.workspace
    workspace.faults(deliveries={"reorder": WINDOW}, seed=trial.dice.randint(0, 999))
    edited: list[Question] = []
    lengths = dealt(trial.dice, trial.many(100))
    # At once: an edit that comes seconds later overtakes nothing.
    for question in trial.crowd.threads(trial.dice, lengths):
        trial.questions.append(question)
        place = (question.person, question.channel, question.ts)
        chance = trial.dice.random()
        if chance < DELETED:
            workspace.delete(*place)
            trial.deleted.add(question.ts)
        elif chance < DELETED + EDITED:
            workspace.edit(*place, f"@StarChat {NEWER} {COUNT} {question.token}")
            edited.append(question)
    trial.faults["deleted"] += len(trial.deleted)
    trial.faults["edited"] += len(edited)
    trial.faults["shuffled"] += len(trial.questions)
    trial.settle()
    overtaking = sum(_overtook(trial, question) for question in edited)
    trial.notes.append(f"{overtaking} edits came before what they changed")
    stale = _stale(trial, edited)
    if stale:
        trial.broken.append(f"{len(stale)} of {len(edited)} answered as they were before the edit")


def _overtook(trial: Trial, question: Question) -> bool:
    """Say whether Slack told of an edit before it told of the question."""
    sent = trial.stage.workspace.envelopes()
    told = [e["sent_at"] for e in sent if e["ts"] == question.ts]
    changed = [e["sent_at"] for e in sent if e["changes"] == question.ts]
    return bool(told and changed) and min(changed) < min(told)


def _stale(trial: Trial, edited: list[Question]) -> list[Question]:
    """Return those that were answered as they were, and whose person was offered no new answer."""
    calls = trial.stage.workspace.calls(method="chat.postEphemeral")
    offered = {(call["args"].get("user"), call["args"].get("thread_ts")) for call in calls}
    with trial.stage.direct() as redis:
        return [
            question
            for question in edited
            if NEWER not in _answered(redis, question)
            and (question.person, question.thread) not in offered
        ]


def _answered(redis: Redis, question: Question) -> str:
    """Return the text to which the reply belongs."""
    kept = RqJob.fetch(job_of(question), connection=redis, serializer=JSONSerializer)
    return Job.decode(kept.args[0]).question.text


ROW: Final = Row("S7", "events shuffled in windows of ten; questions edited, deleted", disorder)
