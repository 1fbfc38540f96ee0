"""Puts the bot together: settings, clients, what it does about messages, and how they come in."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog
from slack_bolt import App

from bot.background import BackgroundTasks
from bot.failpoints import Failpoints
from bot.handlers.backfill import Backfill
from bot.handlers.edits import EditHandler
from bot.handlers.job_builder import JobBuilder
from bot.handlers.notice_outbox import NoticeOutbox
from bot.handlers.placeholders import PlaceholderPoster
from bot.handlers.questions import QuestionHandler
from bot.handlers.router import Router
from bot.health import Health, Metrics
from bot.messages.admission import Policy
from bot.messages.identity import BotIdentity
from bot.settings import Settings
from bot.slack import client
from bot.slack.http_mode import HttpMode
from bot.slack.http_server import HttpServer
from bot.slack.poster import Poster
from bot.slack.socket_mode import SocketMode
from bot.slack.users import UserDirectory
from bot.store.client import connect_redis
from bot.store.job_queue import JobQueue, QueueLimits
from bot.store.job_updates import JobUpdates
from bot.store.line import QueueStatus
from bot.store.purge import Purge
from bot.store.thread_cache import ThreadCache
from bot.store.thread_modes import ThreadModes
from contract.settings import SettingsError
from contract.thread_pool import eager_thread_pool

log = structlog.get_logger()

DRAIN_TIMEOUT_SECONDS: Final = 5.0
"""Seconds for requests and errands that are under way when the bot is told to end."""
NAME_LOOKUP_THREADS: Final = 8
"""Names that are asked for at once."""


class Bot:
    """The whole process but its signals."""

    def __init__(self, settings: Settings) -> None:
        """Connect to nothing yet. Raises `SettingsError` if `HEALTH_PORT` cannot be had."""
        self._settings = settings
        self._web_client = client.create_client(settings)
        self._redis = connect_redis(settings.redis_url.get_secret_value())
        self._metrics = Metrics()
        self._receiver: SocketMode | HttpMode | None = None
        self._health = self._start_health_server()

    def run_until(self, stop: threading.Event) -> None:
        """Receive until `stop`. Raises `SettingsError` for what Slack or the system refuses."""
        try:
            identity = client.authenticate(self._web_client, stop)
            if identity is not None:
                self._serve_slack(identity, stop)
        finally:
            if self._health is not None:
                self._health.close_server()
            self._redis.close()
        log.info("ended")

    def _serve_slack(self, identity: BotIdentity, stop: threading.Event) -> None:
        background, poster = BackgroundTasks(), Poster(self._web_client)
        name_pool = eager_thread_pool(NAME_LOOKUP_THREADS, "name")
        app = client.create_app(self._web_client, identity)
        router = self._build_router(identity, background, poster, name_pool)
        router.register(app)
        receiver = self._receiver = self._build_receiver(app)
        backfill = router.backfill
        backfill.start_thread()
        router.questions.notices.start_sweeper()
        try:
            receiver.start_receiving(stop)
            log.info("ready", team=identity.team, mode=type(receiver).__name__)
            stop.wait()
            log.info("ending")
        finally:
            backfill.stop_thread()
            router.questions.notices.stop_sweeper()
            receiver.stop_receiving(DRAIN_TIMEOUT_SECONDS)
            poster.stop_waiting()
            background.drain(DRAIN_TIMEOUT_SECONDS)
            name_pool.shutdown(wait=False, cancel_futures=True)

    def _build_router(
        self,
        identity: BotIdentity,
        background: BackgroundTasks,
        poster: Poster,
        name_pool: ThreadPoolExecutor,
    ) -> Router:
        settings, redis, queue_status = self._settings, self._redis, QueueStatus(self._redis)
        failpoints = Failpoints.parse_plan(settings.starchat_failpoint)
        threads, users = (
            ThreadCache(redis, self._web_client, identity),
            UserDirectory(redis, self._web_client, name_pool),
        )
        questions = QuestionHandler(
            identity=identity,
            redis=redis,
            policy=_build_policy(settings),
            job_builder=JobBuilder(identity, settings.starchat_streaming, threads, users),
            thread_cache=threads,
            thread_modes=ThreadModes(redis),
            users=users,
            queue=JobQueue(redis, _build_limits(settings), failpoints),
            job_updates=JobUpdates(redis),
            restart_on_edit=settings.starchat_on_edit == "restart",
            queue_status=queue_status,
            placeholders=PlaceholderPoster(redis, queue_status, poster, background),
            notices=NoticeOutbox(
                redis, identity.team, poster, threads, background, failpoints=failpoints
            ),
            poster=poster,
            purge=Purge(redis),
            background=background,
            metrics=self._metrics,
        )
        edits = EditHandler(
            identity=identity,
            restart_on_edit=questions.restart_on_edit,
            job_builder=questions.job_builder,
            thread_cache=threads,
            queue=questions.queue,
            job_updates=questions.job_updates,
            queue_status=queue_status,
            placeholders=questions.placeholders,
            poster=poster,
            background=background,
        )
        return Router(
            identity=identity,
            questions=questions,
            edit_handler=edits,
            backfill=Backfill(redis, self._web_client, questions, edits, self._has_connection),
            queue_status=queue_status,
            poster=poster,
            purge=questions.purge,
            background=background,
            metrics=self._metrics,
        )

    def _build_receiver(self, app: App) -> SocketMode | HttpMode:
        settings = self._settings
        if settings.slack_app_token is not None:
            return SocketMode(app, settings.slack_app_token.get_secret_value(), self._metrics)
        if settings.slack_signing_secret is None:
            raise SettingsError("SLACK_SIGNING_SECRET is not set")
        try:
            return HttpMode(
                app,
                settings.slack_signing_secret.get_secret_value(),
                settings.port,
                self._web_client.clock,
            )
        except OSError as error:
            raise SettingsError(_describe_port_error("PORT", settings.port, error)) from None

    def _start_health_server(self) -> HttpServer | None:
        port = self._settings.health_port
        if not port:
            return None
        health = Health(self._redis, self._metrics, self._has_connection)
        try:
            server = HttpServer(port, health.routes, name="health")
        except OSError as error:
            raise SettingsError(_describe_port_error("HEALTH_PORT", port, error)) from None
        server.start_thread()
        return server

    def _has_connection(self) -> bool:
        return self._receiver is not None and self._receiver.has_connection()


def _build_policy(settings: Settings) -> Policy:
    return Policy(
        allowed_bots=settings.starchat_allowed_bots,
        allow_external=settings.starchat_external_users == "allow",
        allow_guests=settings.starchat_guests == "allow",
    )


def _build_limits(settings: Settings) -> QueueLimits:
    return QueueLimits(
        max_pending=settings.starchat_max_pending,
        max_per_user=settings.starchat_max_pending_per_user,
        max_running_per_user=settings.starchat_max_running_per_user,
    )


def _describe_port_error(variable: str, port: int, error: OSError) -> str:
    return f"{variable} must be a port that can be listened on, not '{port}' ({error.strerror})"
