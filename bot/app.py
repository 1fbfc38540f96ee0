"""The bot's process: its clients, its handlers' threads and the receiver of Slack's requests."""

import threading
from functools import partial
from typing import Final

import structlog
from slack_bolt import App

from bot.composition import Composition, Shared
from bot.concurrency import BackgroundTasks
from bot.handlers.asked_before.check_threads import CheckThreads
from bot.handlers.team_purge import TeamPurge
from bot.health import Health
from bot.messages.message import BotIdentity
from bot.metrics import Metrics
from bot.records.database import Records
from bot.rules.channels_file import load_channels_file
from bot.settings import Settings
from bot.slack.access_monitor import AccessMonitor
from bot.slack.bolt_app import create_app
from bot.slack.budget import SlackBudget
from bot.slack.client import AppRefusedError, authenticate, create_client
from bot.slack.http_mode import HttpMode
from bot.slack.http_server import HttpServer
from bot.slack.poster import Poster
from bot.slack.socket_mode import SocketMode
from bot.store.client import connect_redis, refuse_cluster
from contract.listening_socket import describe_address_error
from contract.settings import SettingsError
from contract.thread_pool import eager_thread_pool

log = structlog.get_logger()

DRAIN_TIMEOUT_SECONDS: Final = 5.0
"""Time at shutdown for requests in progress, and again for background tasks."""
HOME_TIMEOUT_SECONDS: Final = 1.0
"""Time at shutdown for Home tabs, which nothing depends on."""
RECORD_TIMEOUT_SECONDS: Final = 1.0
"""Time at shutdown for questions that wait to be recorded."""
NAME_LOOKUP_THREADS: Final = 8
AUTHOR_LOOKUP_THREADS: Final = 4
MAX_UNRECORDED: Final = 200
"""Questions that may wait to be recorded; further ones are left out."""


class Bot:
    """The bot's process, without its signal handling."""

    def __init__(self, settings: Settings) -> None:
        """Start the health server. Raises `SettingsError` if its address or a file is unusable."""
        self._settings = settings
        self._channels_file = load_channels_file(settings.starchat_channels_file)
        self._web_client = create_client(settings)
        self._redis = connect_redis(settings.redis_url.get_secret_value())
        self._records = Records(settings.database_url.get_secret_value())
        self._metrics = Metrics()
        self._health = Health(
            self._redis, self._metrics, self._web_client.access, lambda: self._records.problem
        )
        self._health_server = self._start_health_server()

    def run_until(self, stop: threading.Event) -> None:
        """Serve until `stop` is set. Raises `SettingsError` if a service refuses the settings."""
        try:
            self._records.open_database()
            refuse_cluster(self._redis)
            identity = self._authenticate(stop)
            if identity is not None:
                self._web_client.budget = SlackBudget(self._redis, identity.team)
                self._serve_slack(identity, stop, self._web_client.budget)
        finally:
            if self._health_server is not None:
                self._health_server.close_server()
            self._redis.close()
            self._records.close_database()
        log.info("ended")

    def _authenticate(self, stop: threading.Event) -> BotIdentity | None:
        """Find out who the bot is; first finish the purge of a team that has removed the app."""
        purge = TeamPurge(self._redis, self._records)
        try:
            identity = authenticate(self._web_client, stop)
        except SettingsError:
            purge.try_at_start(None)
            raise
        if identity is not None:
            purge.try_at_start(identity.team)
        return identity

    def _serve_slack(
        self, identity: BotIdentity, stop: threading.Event, budget: SlackBudget
    ) -> None:
        shared = Shared(
            poster=Poster(self._web_client, budget),
            background=BackgroundTasks(postponing=(AppRefusedError,)),
            name_pool=eager_thread_pool(NAME_LOOKUP_THREADS, "name"),
            author_pool=eager_thread_pool(AUTHOR_LOOKUP_THREADS, "author"),
            check_threads=CheckThreads(),
            recorder=BackgroundTasks(1, MAX_UNRECORDED),
            stopped=threading.Event(),
        )
        app = create_app(self._web_client, identity, self._metrics)
        receiver = self._build_receiver(app)
        handlers = Composition(
            self._settings,
            self._redis,
            self._web_client,
            self._metrics,
            identity,
            shared,
            self._records,
            self._channels_file,
        ).build_handlers(receiver)
        handlers.router.register_listeners(app)
        self._health.watch_parts(receiver, shared.background.watch, handlers.inbox.watch)
        access_monitor = self._start_access_monitor(shared.background)
        handlers.start_threads()
        try:
            _receive_until(stop, receiver, identity.team)
        finally:
            shared.stopped.set()
            budget.stop_waiting()
            handlers.monitor.stop_thread()
            for sweeper in handlers.sweepers:
                sweeper.stop_thread()
            receiver.stop_receiving(DRAIN_TIMEOUT_SECONDS)
            access_monitor.stop_thread()
            handlers.inbox.stop_thread(DRAIN_TIMEOUT_SECONDS)
            shared.poster.stop_waiting()
            handlers.home.stop_publishing(HOME_TIMEOUT_SECONDS)
            shared.background.drain(DRAIN_TIMEOUT_SECONDS)
            shared.recorder.drain(RECORD_TIMEOUT_SECONDS)
            shared.check_threads.stop_threads()
            for pool in (shared.name_pool, shared.author_pool):
                pool.shutdown(wait=False, cancel_futures=True)

    def _start_access_monitor(self, background: BackgroundTasks) -> AccessMonitor:
        read_token = partial(self._settings.reload_secret, "slack_bot_token")
        monitor = AccessMonitor(self._web_client, read_token, background.resume_postponed)
        monitor.start_thread()
        return monitor

    def _build_receiver(self, app: App) -> SocketMode | HttpMode:
        settings = self._settings
        if settings.slack_app_token is not None:
            return SocketMode(
                app, partial(settings.reload_secret, "slack_app_token"), self._metrics
            )
        if settings.slack_signing_secret is None:
            raise SettingsError("SLACK_SIGNING_SECRET is not set")
        secret = settings.slack_signing_secret.get_secret_value()
        try:
            return HttpMode(app, secret, settings.port, self._web_client.clock)
        except OSError as error:
            raise SettingsError(describe_address_error("PORT", settings.port, error)) from None

    def _start_health_server(self) -> HttpServer | None:
        port = self._settings.health_port
        if not port:
            return None
        try:
            server = HttpServer(
                port, self._health.routes, host=self._settings.health_host, name="health"
            )
        except OSError as error:
            raise SettingsError(self._settings.describe_health_error(error)) from None
        server.start_thread()
        return server


def _receive_until(stop: threading.Event, receiver: SocketMode | HttpMode, team: str) -> None:
    receiver.start_receiving(stop)
    if not stop.is_set():
        log.info("ready", team=team, mode=type(receiver).__name__)
    stop.wait()
    log.info("ending")
