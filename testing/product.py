"""The whole product in separate processes: fakeslack, Redis, the bot and a worker."""

from collections.abc import Callable
from typing import Any, Self

from contract import keys
from testing.fork_server import forked_engine_environment
from testing.polling import poll_until
from testing.processes import FreshProcess, Process
from testing.redis_server import GuardedRedis
from testing.worker_harness import END_STATES, FAST_SETTINGS, reply_metadata
from testing.workspace import ADA, STARCHAT, Json, Messages, Workspace
from worker.jobs.leases import STARTED_REGISTRY


class Product:
    """
    All processes between a user's question and its reply, as in a deployment.

    Redis has the configuration and ACL rules of `deploy/`. `stop_services` fails if the rules
    denied a command of the bot or a worker.
    """

    def __init__(
        self,
        model: str,
        *,
        worker: bool = True,
        forked: bool = False,
        redis: GuardedRedis | None = None,
        **variables: str,
    ) -> None:
        """
        Start all processes beside `redis`, with `variables` for bot and worker.

        Bot, workers and engines come from fork servers if `forked` is true.
        """
        self.redis = redis or GuardedRedis()
        self.workspace = Workspace()
        self.settings = self.workspace.environment | variables
        self.model = model
        self._process_class = Process if forked else FreshProcess
        self._engine_variables = forked_engine_environment() if forked else {}
        self.workers: list[Process] = []
        self.bot = self.start_bot()
        if worker:
            self.start_worker()
        self.bot.wait_for_event("ready")
        self.workspace.wait_until_connected()
        for process in self.workers:
            process.wait_for_event("model loaded")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_services()

    def stop_services(self) -> None:
        """Stop all processes. Raises `AssertionError` if Redis' rules denied a command."""
        for process in (self.bot, *self.workers):
            process.stop_process()
        self.workspace.stop_process()
        refused = self.redis.list_denials()
        self.redis.stop_server()
        assert refused == [], f"the rules of Redis refused what the product needs: {refused}"

    def start_bot(self) -> Process:
        """Start a bot. A caller that replaces the first one assigns it to `bot`."""
        return self._process_class("bot", REDIS_URL=self.redis.url_for("bot"), **self.settings)

    def start_worker(self, **variables: str) -> Process:
        """Start another worker, which `workers` then contains."""
        settings = self.settings | FAST_SETTINGS | {"STARCHAT_MODEL": self.model} | variables
        settings |= self._engine_variables
        process = self._process_class("worker", REDIS_URL=self.redis.url_for("worker"), **settings)
        self.workers.append(process)
        return process

    @property
    def all_logs(self) -> str:
        """The output of bot and workers so far."""
        return "\n".join(process.log_text for process in (self.bot, *self.workers))

    def ask_question(
        self, text: str, channel: str, thread_ts: str | None = None, *, user: str = ADA
    ) -> tuple[str, Messages]:
        """Post a question as a user; return its timestamp and the app's final messages."""
        ts = self.workspace.post_message(user, channel, text, thread_ts)
        return ts, self.wait_for_answer(channel, thread_ts or ts, ts)

    def wait_for_answer(self, channel: str, thread_ts: str, question: str) -> Messages:
        """Wait until the app's messages for a question are final, and return them."""

        def is_final(messages: Messages) -> bool:
            own_messages = find_answers(messages, question)
            return bool(own_messages) and all(
                reply_metadata(m)["state"] in END_STATES for m in own_messages
            )

        return find_answers(
            self.workspace.wait_for_messages(is_final, channel, thread_ts), question
        )

    def wait_until_idle(self) -> None:
        """Wait until no job is pending: a reply becomes final before its job's end is stored."""
        with self.redis.connect_as() as redis:
            poll_until(
                lambda: not (redis.zcard(keys.PENDING_JOBS) or redis.zcard(STARTED_REGISTRY)),
                description="all jobs to end",
            )

    def wait_for_bot_message(
        self, is_match: Callable[[Json], Any], channel: str, thread_ts: str | None = None
    ) -> Messages:
        """Wait for a message of the bot that satisfies `is_match`; return all its messages."""

        def bot_messages(messages: Messages) -> Messages:
            return [m for m in messages if m.get("user") == STARCHAT]

        found = self.workspace.wait_for_messages(
            lambda messages: any(map(is_match, bot_messages(messages))), channel, thread_ts
        )
        return bot_messages(found)


def find_answers(messages: Messages, question: str) -> Messages:
    """Return the app's messages for the question with this timestamp."""
    return [m for m in messages if reply_metadata(m).get("question") == question]
