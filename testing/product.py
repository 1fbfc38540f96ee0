"""The whole product in processes of its own: fakeslack, Redis, the bot and a worker."""

from collections.abc import Callable
from typing import Any, Self

from testing.processes import Process
from testing.redis_server import GuardedRedis
from testing.worker_harness import END_STATES, FAST_SETTINGS, reply_metadata
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
        self.settings = self.workspace.environment | variables
        self.model = model
        self.workers: list[Process] = []
        self.bot = self.start_bot()
        if worker:
            self.start_worker()
        self.bot.wait_for_event("ready")
        self.workspace.wait_until_connected()
        for process in self.workers:
            process.wait_for_event("model loaded", timeout=120)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_services()

    def stop_services(self) -> None:
        """End everything, people's side last."""
        for process in (self.bot, *self.workers):
            process.stop_process()
        self.workspace.stop_process()
        refused = self.redis.list_denials()
        self.redis.stop_server()
        assert refused == [], f"the rules of Redis refused what the product needs: {refused}"

    def start_bot(self) -> Process:
        """Start a bot; who starts another one in its place keeps it as `bot`."""
        return Process("bot", REDIS_URL=self.redis.url_for("bot"), **self.settings)

    def start_worker(self, **variables: str) -> Process:
        """Start another worker."""
        settings = self.settings | FAST_SETTINGS | {"STARCHAT_MODEL": self.model} | variables
        process = Process("worker", REDIS_URL=self.redis.url_for("worker"), **settings)
        self.workers.append(process)
        return process

    @property
    def all_logs(self) -> str:
        """Everything that bot and workers have written."""
        return "\n".join(process.log_text for process in (self.bot, *self.workers))

    def ask_question(
        self, text: str, channel: str, thread_ts: str | None = None, *, user: str = ADA
    ) -> tuple[str, Messages]:
        """Say something as a person; returns its ts and our messages that end in answer to it."""
        ts = self.workspace.post_message(user, channel, text, thread_ts)
        return ts, self.wait_for_answer(channel, thread_ts or ts, ts)

    def wait_for_answer(self, channel: str, thread_ts: str, question: str) -> Messages:
        """Wait until what we say to a question does not change any more, and return it."""

        def is_final(messages: Messages) -> bool:
            own_messages = find_answers(messages, question)
            return bool(own_messages) and all(
                reply_metadata(m)["state"] in END_STATES for m in own_messages
            )

        return find_answers(
            self.workspace.wait_for_messages(is_final, channel, thread_ts), question
        )

    def wait_for_bot_message(
        self, is_match: Callable[[Json], Any], channel: str, thread_ts: str | None = None
    ) -> Messages:
        """Wait until the bot has said something of which `true` is true; returns all it said."""

        def bot_messages(messages: Messages) -> Messages:
            return [m for m in messages if m.get("user") == STARCHAT]

        found = self.workspace.wait_for_messages(
            lambda messages: any(map(is_match, bot_messages(messages))), channel, thread_ts
        )
        return bot_messages(found)


def find_answers(messages: Messages, question: str) -> Messages:
    """Return our messages in answer to the question at this ts."""
    return [m for m in messages if reply_metadata(m).get("question") == question]
