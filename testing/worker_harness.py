"""A workspace, a queue, and questions put into it as the bot does; workers start on request."""

from typing import Any, Self

import redis

from bot.store.job_queue import Limits, Outbox
from contract import keys
from contract.conversation import Speaker, Turn
from contract.job import Display, Job, Thread
from testing.processes import Process
from testing.redis_server import RedisServer
from testing.workspace import ADA, GENERAL, STARCHAT, Json, Messages, Workspace

TEAM = "T0FAKE0001"
END = {"final", "error", "notice"}
"""States of our messages that do not change any more."""
QUICK = {
    "STARCHAT_LEASE_SECONDS": "3",
    "STARCHAT_HEARTBEAT_INTERVAL": "0.5",
    "STARCHAT_REAP_INTERVAL": "0.3",
    "STARCHAT_DEVICE": "cpu",
    "STARCHAT_TEMPERATURE": "0",
    "STARCHAT_THREADS": "1",
    "STARCHAT_EDIT_INTERVAL": "0.2",
    "STARCHAT_MAX_NEW_TOKENS": "512",
    # A reply that only repeats itself would be drafted to its end before a test can look at it.
    "STARCHAT_SPECULATIVE_TOKENS": "0",
}
"""A worker's settings for tests: short leases, the likeliest token, long replies that grow fast."""


class Desk:
    """A real fakeslack and a real Redis; `close` ends both."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.server = RedisServer()
        # Without a limit: some calls wait for what is to come.
        self.redis = redis.Redis.from_url(self.server.url, socket_timeout=None)
        self.outbox = Outbox(self.redis, limits or Limits())
        self.workspace = Workspace()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workspace and the server."""
        self.workspace.stop()
        self.redis.close()
        self.server.stop()

    def worker(self, model: str, **variables: str) -> Process:
        """Start a worker process; it has not begun to take jobs yet."""
        given = self.workspace.environment | {"REDIS_URL": self.server.url, "STARCHAT_MODEL": model}
        return Process("worker", **(given | QUICK | variables))

    def ask(
        self,
        text: str,
        *,
        user: str = ADA,
        channel: str = GENERAL,
        after: Job | None = None,
        display: Display = Display.EDIT,
    ) -> Job:
        """Post a question as a person and queue it; `after` continues that job's thread."""
        job = self.question(text, user=user, channel=channel, after=after, display=display)
        assert self.outbox.accept(job).outcome == "accepted"
        return job

    def question(
        self,
        text: str,
        *,
        user: str = ADA,
        channel: str = GENERAL,
        after: Job | None = None,
        display: Display = Display.EDIT,
    ) -> Job:
        """Post a question as a person; returns the job that the bot would queue for it."""
        root = after.thread.ts if after else None
        ts = self.workspace.post(user, channel, f"@StarChat {text}", root)
        thread = Thread(team=TEAM, channel=channel, ts=root or ts)
        turn = Turn(speaker=Speaker.USER, text=text, ts=ts, name="Ada")
        turns = (*(after.turns if after else ()), turn)
        return Job(thread=thread, ts=ts, user=user, user_team=TEAM, turns=turns, display=display)

    def messages(self, job: Job) -> Messages:
        """Return our messages in answer to a job, as they stand in the thread now."""
        thread = self.workspace.messages(job.thread.channel, job.thread.ts)
        return [message for message in thread if payload(message).get("job") == job.id]

    def state(self, job: Job) -> list[str]:
        """Return the states of our messages for a job."""
        return [payload(message)["state"] for message in self.messages(job)]

    def wait_shown(self, job: Job, within: float = 60.0) -> Messages:
        """Wait until a job has anything to show."""
        return self.workspace.wait_until(lambda: self.messages(job), within=within)

    def wait_grown(self, job: Job, within: float = 60.0) -> Messages:
        """Wait until a reply grows in the thread."""
        return self.workspace.wait_until(
            lambda: self.messages(job) if "growing" in self.state(job) else None, within=within
        )

    def wait_ended(self, job: Job, within: float = 60.0) -> Messages:
        """Wait until a job's messages are all final, and return them."""

        def ended() -> Messages | None:
            messages = self.messages(job)
            states = {payload(message)["state"] for message in messages}
            return messages if states and states <= END else None

        return self.workspace.wait_until(ended, within=within)

    def said_by_us(self, job: Job) -> Messages:
        """Return everything that our bot has in the thread, whatever it belongs to."""
        thread = self.workspace.messages(job.thread.channel, job.thread.ts)
        return [message for message in thread if message.get("user") == STARCHAT]

    def calls(self, job: Job, method: str | None = None) -> list[Json]:
        """Return the Web API calls that name a job in their metadata."""
        calls = self.workspace.calls(method=method)
        return [call for call in calls if payload(call["args"]).get("job") == job.id]

    def status(self, job: Job) -> str | None:
        """Return what RQ knows of a job."""
        found = self.redis.hget(f"rq:job:{job.id}", "status")
        return found.decode() if isinstance(found, bytes) else None

    def wait_recorded(self, job: Job, within: float = 60.0) -> None:
        """Wait until RQ has the result of a job."""
        key = f"rq:results:{job.id}"
        assert self.redis.xread({key: "0"}, count=1, block=int(within * 1000)), "no result came"

    def wait_logged(self, worker: Process, event: str, job: Job) -> Json:
        """Wait for what a worker logs of a job that is newer than what was waited for before."""
        while (line := worker.wait_for(event)).get("job") != job.id:
            pass
        return line

    def pending(self) -> int:
        """Return how many questions are accepted and not finished."""
        return int(self.redis.zcard(keys.PENDING))


def payload(message: Json) -> dict[str, Any]:
    """Return what our metadata says of a message."""
    found: dict[str, Any] = (message.get("metadata") or {}).get("event_payload") or {}
    return found


def words(messages: Messages) -> str:
    """Return the words of a reply: what stands in its rich_text blocks, as text."""
    return "\n".join(
        part
        for message in messages
        for block in message.get("blocks", [])
        if block["type"] == "rich_text"
        for element in block["elements"]
        if (part := _text(element))
    )


def notices(messages: Messages) -> str:
    """Return what we say around a reply: its context blocks, as text."""
    return "\n".join(
        _text(block)
        for message in messages
        for block in message.get("blocks", [])
        if block["type"] == "context"
    )


def _text(element: Json) -> str:
    if "elements" in element:
        return "".join(_text(part) for part in element["elements"])
    return str(element.get("text") or element.get("url") or "")
