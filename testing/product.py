"""The whole product in processes of its own: fakeslack, Redis, the bot and a worker."""

from collections.abc import Callable
from typing import Any, Self

from testing.processes import Process
from testing.redis_server import GuardedRedis
from testing.worker_harness import END, QUICK, payload
from testing.workspace import ADA, STARCHAT, Json, Messages, Workspace


class Product:
    """
    Everything that stands between a person's question and its reply, all of it real.

    Redis runs by the configuration and the rules of `deploy/`, and `close` fails where the bot or
    a worker has tried what those refuse.
    """

    def __init__(self, model: str, *, worker: bool = True, **variables: str) -> None:
        """Start all of it; with `variables` for bot and worker alike."""
        self.redis = GuardedRedis()
        self.workspace = Workspace()
        self.shared = self.workspace.environment | variables
        self.model = model
        self.workers: list[Process] = []
        self.bot = self.start_bot()
        if worker:
            self.start_worker()
        self.bot.wait_for("ready")
        self.workspace.wait_connected()
        for process in self.workers:
            process.wait_for("model loaded", within=120)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End everything, people's side last."""
        for process in (self.bot, *self.workers):
            process.stop()
        self.workspace.stop()
        refused = self.redis.refused()
        self.redis.stop()
        assert refused == [], f"the rules of Redis refused what the product needs: {refused}"

    def start_bot(self) -> Process:
        """Start a bot; who starts another one in its place keeps it as `bot`."""
        return Process("bot", REDIS_URL=self.redis.url_of("bot"), **self.shared)

    def start_worker(self, **variables: str) -> Process:
        """Start another worker."""
        settings = self.shared | QUICK | {"STARCHAT_MODEL": self.model} | variables
        process = Process("worker", REDIS_URL=self.redis.url_of("worker"), **settings)
        self.workers.append(process)
        return process

    @property
    def logs(self) -> str:
        """Everything that bot and workers have written."""
        return "\n".join(process.log for process in (self.bot, *self.workers))

    def reply(
        self, text: str, channel: str, thread_ts: str | None = None, *, user: str = ADA
    ) -> tuple[str, Messages]:
        """Say something as a person; returns its ts and our messages that end in answer to it."""
        ts = self.workspace.post(user, channel, text, thread_ts)
        return ts, self.ended(channel, thread_ts or ts, ts)

    def ended(self, channel: str, thread_ts: str, question: str) -> Messages:
        """Wait until what we say to a question does not change any more, and return it."""

        def over(messages: Messages) -> bool:
            ours = answers(messages, question)
            return bool(ours) and all(payload(m)["state"] in END for m in ours)

        return answers(self.workspace.wait_for(over, channel, thread_ts), question)

    def said(
        self, true: Callable[[Json], Any], channel: str, thread_ts: str | None = None
    ) -> Messages:
        """Wait until the bot has said something of which `true` is true; returns all it said."""

        def ours(messages: Messages) -> Messages:
            return [m for m in messages if m.get("user") == STARCHAT]

        found = self.workspace.wait_for(
            lambda messages: any(map(true, ours(messages))), channel, thread_ts
        )
        return ours(found)


def answers(messages: Messages, question: str) -> Messages:
    """Return our messages in answer to the question at this ts."""
    return [m for m in messages if payload(m).get("question") == question]
