"""Prepared queue: enqueues jobs whose conversation a test has written, without the inbox."""

from typing import Any

from bot.messages.events import ChannelType, MessagePosted
from bot.store.acceptance import Receipt
from bot.store.job_queue import JobQueue
from bot.store.received import Received, ReceivedMessage, ReceivedReanswer
from bot.store.rq_job import build_rq_job_hash
from contract import keys
from contract.job import Job


class PreparedQueue(JobQueue):
    """Job queue that accepts a job and fills it in at once."""

    def enqueue(self, job: Job, *, client_msg_id: str | None = None) -> Receipt:
        """Enqueue a question, unless it or its `client_msg_id` was enqueued before."""
        return self._enqueue_question(ReceivedMessage(post=post_of(job, client_msg_id)), job, {})

    def enqueue_reanswer(self, job: Job, version: str, reply_ts: str | None) -> Receipt:
        """Enqueue a question again that was edited at `version`; replace `reply_ts`."""
        received = ReceivedReanswer(
            thread=job.thread,
            ts=job.ts,
            version=version,
            user=job.user,
            user_team=job.user_team,
            placeholder=reply_ts,
            files=frozenset(),
        )
        fields = {keys.PLACEHOLDER_OWNER: "bot:again", keys.PLACEHOLDER: reply_ts}
        return self._enqueue_question(received, job, fields if reply_ts else {})

    def _enqueue_question(self, received: Received, job: Job, fields: dict[str, Any]) -> Receipt:
        prepared = build_rq_job_hash(self._redis, job.id, job.to_json()) | fields
        inbox = keys.inbox(job.thread.team)
        return self._acceptance.accept_question(received, prepared, self.limits, inbox=inbox)


def post_of(job: Job, client_msg_id: str | None = None) -> MessagePosted:
    """Return the message that a job answers."""
    return MessagePosted(
        thread=job.thread,
        ts=job.ts,
        channel_type=ChannelType.CHANNEL,
        author=job.user,
        author_team=job.user_team,
        text=job.question.text,
        message=None,
        can_ask=True,
        is_own=False,
        client_msg_id=client_msg_id,
        is_thread_reply=job.ts != job.thread.ts,
    )
