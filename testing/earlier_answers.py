"""Earlier answers in waiting jobs, as the bot names them for a question that was asked before."""

from redis import Redis

from bot.store.job_updates import JobUpdates, UpdateOutcome
from contract.earlier_answer import EarlierAnswer

EARLIER = EarlierAnswer(
    author_name="Lin",
    asked_at=1_793_700_000,
    num_ran=2,
    permalink="https://example.slack.com/archives/C1/p1",
)


def name_earlier_answer(redis: Redis, job: str, earlier: EarlierAnswer = EARLIER) -> None:
    """Let a job that no worker has taken point to an earlier answer."""
    update = {"earlier_answer": earlier}
    outcome = JobUpdates(redis).scrub_payload(job, lambda old: old.model_copy(update=update))
    assert outcome is UpdateOutcome.SCRUBBED, outcome
