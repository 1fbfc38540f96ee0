"""Worker harness: a workspace and a queue, with questions enqueued as the bot does."""

import signal
from typing import Any, Self

import redis

from bot.store.acceptance import QueueLimits
from contract import keys
from contract.conversation import Speaker, Turn
from contract.job import Job, Streaming, Thread
from testing.fork_server import forked_engine_environment
from testing.prepared_queue import PreparedQueue
from testing.process_tree import wait_until_paused
from testing.processes import WAIT_SECONDS, Process
from testing.redis_server import RedisServer
from testing.workspace import ADA, GENERAL, STARCHAT, Json, Messages, Workspace

TEAM = "T0FAKE0001"
END_STATES = {"final", "error", "notice", "pointer"}
"""States after which the app's messages do not change."""
FAST_SETTINGS = {
    "STARCHAT_LEASE_SECONDS": "3",
    "STARCHAT_HEARTBEAT_INTERVAL": "0.5",
    "STARCHAT_REAP_INTERVAL": "0.3",
    "STARCHAT_DEVICE": "cpu",
    "STARCHAT_TEMPERATURE": "0",
    "STARCHAT_THREADS": "1",
    "STARCHAT_EDIT_INTERVAL": "0.2",
    "STARCHAT_MAX_NEW_TOKENS": "512",
    # Drafts would complete a repetitive reply before a test can read it.
    "STARCHAT_SPECULATIVE_TOKENS": "0",
}
"""Worker settings for tests: short leases, greedy decoding, frequent edits."""


class WorkerHarness:
    """A real fakeslack and a real Redis; `stop_services` stops both."""

    def __init__(self, limits: QueueLimits | None = None) -> None:
        self.server = RedisServer()
        # No timeout: some calls block until a job has a result.
        self.redis = redis.Redis.from_url(self.server.url, socket_timeout=None)
        self.job_queue = PreparedQueue(self.redis, limits or QueueLimits())
        self.workspace = Workspace()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_services()

    def stop_services(self) -> None:
        """Stop the workspace and the Redis server."""
        self.workspace.stop_process()
        self.redis.close()
        self.server.stop_server()

    def start_worker(self, model: str, **variables: str) -> Process:
        """
        Start a worker process without waiting until it is ready.

        Both it and its engine come from fork servers.
        """
        environment = self.workspace.environment | forked_engine_environment()
        environment |= {"REDIS_URL": self.server.url, "STARCHAT_MODEL": model}
        return Process("worker", **(environment | FAST_SETTINGS | variables))

    def enqueue_question(
        self,
        text: str,
        *,
        user: str = ADA,
        channel: str = GENERAL,
        previous: Job | None = None,
        streaming: Streaming = Streaming.EDITS,
    ) -> Job:
        """Post a question as a user and enqueue it; `previous` continues that job's thread."""
        refill_budgets(self.redis)
        job = self.post_question(
            text, user=user, channel=channel, previous=previous, streaming=streaming
        )
        assert self.job_queue.enqueue(job).outcome == "accepted"
        return job

    def post_question(
        self,
        text: str,
        *,
        user: str = ADA,
        channel: str = GENERAL,
        previous: Job | None = None,
        streaming: Streaming = Streaming.EDITS,
    ) -> Job:
        """Post a question as a user; return the job that the bot would enqueue."""
        root = previous.thread.ts if previous else None
        ts = self.workspace.post_message(user, channel, f"@StarChat {text}", root)
        thread = Thread(team=TEAM, channel=channel, ts=root or ts)
        turn = Turn(speaker=Speaker.USER, text=text, ts=ts, name="Ada")
        turns = (*(previous.turns if previous else ()), turn)
        return Job(
            thread=thread, ts=ts, user=user, user_team=TEAM, turns=turns, streaming=streaming
        )

    def reply_messages(self, job: Job) -> Messages:
        """Return the app's messages for a job, as they are in the thread now."""
        thread = self.workspace.read_messages(job.thread.channel, job.thread.ts)
        return [message for message in thread if reply_metadata(message).get("job") == job.id]

    def reply_states(self, job: Job) -> list[str]:
        """Return the states of the app's messages for a job."""
        return [reply_metadata(message)["state"] for message in self.reply_messages(job)]

    def wait_for_reply(self, job: Job, timeout: float = WAIT_SECONDS) -> Messages:
        """Wait for the first message for a job."""
        return self.workspace.wait_until(lambda: self.reply_messages(job), timeout=timeout)

    def wait_for_growth(self, job: Job, timeout: float = WAIT_SECONDS) -> Messages:
        """Wait until a job's reply grows in the thread."""
        return self.workspace.wait_until(
            lambda: self.reply_messages(job) if "growing" in self.reply_states(job) else None,
            timeout=timeout,
        )

    def wait_for_end(self, job: Job, timeout: float = WAIT_SECONDS) -> Messages:
        """Wait until all messages for a job are final, and return them."""

        def final_messages() -> Messages | None:
            messages = self.reply_messages(job)
            states = {reply_metadata(message)["state"] for message in messages}
            return messages if states and states <= END_STATES else None

        return self.workspace.wait_until(final_messages, timeout=timeout)

    def bot_messages(self, job: Job) -> Messages:
        """Return all messages of the app in a job's thread."""
        thread = self.workspace.read_messages(job.thread.channel, job.thread.ts)
        return [message for message in thread if message.get("user") == STARCHAT]

    def job_calls(self, job: Job, method: str | None = None) -> list[Json]:
        """Return the Web API calls that name a job in their metadata."""
        calls = self.workspace.api_calls(method=method)
        return [call for call in calls if reply_metadata(call["args"]).get("job") == job.id]

    def rq_status(self, job: Job) -> str | None:
        """Return RQ's status of a job, `None` if RQ has no such job."""
        found = self.redis.hget(f"rq:job:{job.id}", "status")
        return found.decode() if isinstance(found, bytes) else None

    def wait_for_result(self, job: Job, timeout: float = WAIT_SECONDS) -> None:
        """Wait until RQ has the result of a job."""
        key = f"rq:results:{job.id}"
        assert self.redis.xread({key: "0"}, count=1, block=int(timeout * 1000)), "no result came"

    def wait_for_log(self, worker: Process, event: str, job: Job) -> Json:
        """Return the worker's next log line with this event and job."""
        while (line := worker.wait_for_event(event)).get("job") != job.id:
            pass
        return line

    def count_pending(self) -> int:
        """Return the number of accepted, unfinished jobs."""
        return int(self.redis.zcard(keys.PENDING_JOBS))


class StandbyWorker:
    """A worker that is paused until a test needs it to take over."""

    def __init__(self, harness: WorkerHarness, process: Process) -> None:
        self._harness = harness
        self._process = process

    def pause_worker(self) -> None:
        """
        Stop the worker by SIGSTOP and delete its presence, as if it did not exist.

        Redis would still give the next job to its connection, which waits for one.
        """
        connection = self._harness.redis
        self._process.send_signal(signal.SIGSTOP)
        wait_until_paused(self._process.pid)
        # Redis has read all that the worker sent before once it answers to a later command.
        connection.ping()
        for client in connection.client_list():
            if client["cmd"] == "blmove":
                connection.client_unblock(int(client["id"]))
        connection.delete(keys.WORKER_STATUSES)

    def resume_worker(self) -> None:
        """Let the worker run again."""
        self._process.send_signal(signal.SIGCONT)


def refill_budgets(connection: redis.Redis) -> None:
    """
    Fill all budgets of Slack's methods.

    Slack's limits are per minute: without a refill, the many edits of a file's tests would be held
    back, and a reply would not be seen to grow.
    """
    for budget in connection.scan_iter("starchat:*:rate_limit:*", count=1000):
        connection.hdel(budget, "tokens", "updated_at")


def reply_metadata(message: Json) -> dict[str, Any]:
    """Return the app's metadata of a message, empty if there is none."""
    found: dict[str, Any] = (message.get("metadata") or {}).get("event_payload") or {}
    return found


def reply_text(messages: Messages) -> str:
    """Return the text of a reply's `rich_text` blocks."""
    return "\n".join(
        part
        for message in messages
        for block in message.get("blocks", [])
        if block["type"] == "rich_text"
        for element in block["elements"]
        if (part := _element_text(element))
    )


def context_text(messages: Messages) -> str:
    """Return the text of a reply's context blocks."""
    return "\n".join(
        _element_text(block)
        for message in messages
        for block in message.get("blocks", [])
        if block["type"] == "context"
    )


def _element_text(element: Json) -> str:
    if "elements" in element:
        return "".join(_element_text(part) for part in element["elements"])
    return str(element.get("text") or element.get("url") or "")
