"""
Composition of the bot: settings, clients, handlers, and the receiver of Slack's requests.

One object of each kind serves the whole process.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog
from redis import Redis
from slack_bolt import App

from bot.concurrency import AlarmClock, BackgroundTasks
from bot.failpoints import Failpoints
from bot.handlers.admission_control import AdmissionControl
from bot.handlers.app_events import AppEventHandler
from bot.handlers.backfill import Backfill
from bot.handlers.commands import CommandHandler, CommandQuota
from bot.handlers.edits import EditHandler
from bot.handlers.inbox.dispatcher import InboxDispatcher
from bot.handlers.inbox.question_reader import QuestionReader
from bot.handlers.job_builder import JobBuilder
from bot.handlers.job_refresher import JobRefresher
from bot.handlers.notice_outbox import NoticeOutbox
from bot.handlers.outage_monitor import OutageMonitor
from bot.handlers.outage_signs import OutageSigns
from bot.handlers.placeholders import PlaceholderPoster
from bot.handlers.questions import QuestionHandler
from bot.handlers.reanswer import ReanswerHandler
from bot.handlers.reconcile import Reconciler
from bot.handlers.replies.deletion import ReplyDeletion
from bot.handlers.router import Router
from bot.handlers.slash_commands import SlashCommandHandler
from bot.handlers.stops.follow_up import StopFollowUp
from bot.handlers.stops.sessions import SessionSweeper
from bot.handlers.stops.stop_handler import StopHandler
from bot.health import Health
from bot.messages.admission import Policy
from bot.messages.message import BotIdentity
from bot.metrics import Metrics
from bot.settings import Settings
from bot.slack.access_monitor import AccessMonitor
from bot.slack.bolt_app import create_app
from bot.slack.budget import SlackBudget
from bot.slack.client import AppRefusedError, authenticate, create_client
from bot.slack.http_mode import HttpMode
from bot.slack.http_server import HttpServer
from bot.slack.paging import PacedReader
from bot.slack.poster import Poster
from bot.slack.socket_mode import SocketMode
from bot.slack.users import UserDirectory
from bot.store.client import connect_redis, refuse_cluster
from bot.store.inbox import Inbox
from bot.store.job_queue import JobQueue, QueueLimits
from bot.store.job_updates import JobUpdates
from bot.store.purge import Purge
from bot.store.stops import Stops
from bot.store.thread_cache import ThreadCache
from bot.store.thread_modes import ThreadModes
from contract.listening_socket import describe_address_error
from contract.settings import SettingsError
from contract.thread_pool import eager_thread_pool

log = structlog.get_logger()

DRAIN_TIMEOUT_SECONDS: Final = 5.0
"""Time at shutdown for requests in progress, and again for background tasks."""
NAME_LOOKUP_THREADS: Final = 8
AUTHOR_LOOKUP_THREADS: Final = 4


@dataclass(frozen=True, slots=True)
class _Shared:
    """Objects that several handlers use and the bot stops at the end."""

    poster: Poster
    background: BackgroundTasks
    name_pool: ThreadPoolExecutor
    author_pool: ThreadPoolExecutor
    stopped: threading.Event


@dataclass(frozen=True, slots=True)
class _Handlers:
    """The listeners, and the threads beside them."""

    router: Router
    notices: NoticeOutbox
    stops: StopFollowUp
    inbox: InboxDispatcher
    monitor: OutageMonitor

    def start_threads(self) -> None:
        """Start the threads beside the listeners."""
        self.monitor.start_thread()
        self.notices.start_sweeper()
        self.stops.start_thread()
        self.inbox.start_thread()


class Bot:
    """The bot's process, without its signal handling."""

    def __init__(self, settings: Settings) -> None:
        """Start the health server. Raises `SettingsError` if its address cannot be bound."""
        self._settings = settings
        self._web_client = create_client(settings)
        self._redis = connect_redis(settings.redis_url.get_secret_value())
        self._metrics = Metrics()
        self._health = Health(self._redis, self._metrics, self._web_client.access)
        self._health_server = self._start_health_server()

    def run_until(self, stop: threading.Event) -> None:
        """Serve until `stop` is set. Raises `SettingsError` if Slack or Redis cannot be used."""
        try:
            refuse_cluster(self._redis)
            identity = authenticate(self._web_client, stop)
            if identity is not None:
                self._web_client.budget = SlackBudget(self._redis, identity.team)
                self._serve_slack(identity, stop, self._web_client.budget)
        finally:
            if self._health_server is not None:
                self._health_server.close_server()
            self._redis.close()
        log.info("ended")

    def _serve_slack(
        self, identity: BotIdentity, stop: threading.Event, budget: SlackBudget
    ) -> None:
        shared = _Shared(
            poster=Poster(self._web_client, budget),
            background=BackgroundTasks(postponing=(AppRefusedError,)),
            name_pool=eager_thread_pool(NAME_LOOKUP_THREADS, "name"),
            author_pool=eager_thread_pool(AUTHOR_LOOKUP_THREADS, "author"),
            stopped=threading.Event(),
        )
        app = create_app(self._web_client, identity, self._metrics)
        receiver = self._build_receiver(app)
        handlers = self._build_handlers(identity, shared, receiver)
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
            handlers.notices.stop_sweeper()
            handlers.stops.stop_thread()
            receiver.stop_receiving(DRAIN_TIMEOUT_SECONDS)
            access_monitor.stop_thread()
            handlers.inbox.stop_thread(DRAIN_TIMEOUT_SECONDS)
            shared.poster.stop_waiting()
            shared.background.drain(DRAIN_TIMEOUT_SECONDS)
            for pool in (shared.name_pool, shared.author_pool):
                pool.shutdown(wait=False, cancel_futures=True)

    def _start_access_monitor(self, background: BackgroundTasks) -> AccessMonitor:
        read_token = partial(self._settings.reload_secret, "slack_bot_token")
        monitor = AccessMonitor(self._web_client, read_token, background.resume_postponed)
        monitor.start_thread()
        return monitor

    def _build_handlers(
        self, identity: BotIdentity, shared: _Shared, receiver: SocketMode | HttpMode
    ) -> _Handlers:
        settings, redis, web_client = self._settings, self._redis, self._web_client
        poster, background = shared.poster, shared.background
        failpoints = Failpoints.parse_plan(settings.starchat_failpoint)
        queue, quota = _build_queue(redis, settings, failpoints), CommandQuota(redis, identity.team)
        inbox, alarm = Inbox(redis, identity.team, queue), AlarmClock()
        thread_cache = ThreadCache(redis, web_client, identity)
        thread_modes, purge, job_updates = ThreadModes(redis), Purge(redis), JobUpdates(redis)
        users = UserDirectory(redis, web_client, shared.name_pool, shared.author_pool)
        job_builder = JobBuilder(identity, settings.starchat_streaming, thread_cache, users)
        refresher = JobRefresher(
            job_builder, job_updates, restart_on_edit=settings.starchat_on_edit == "restart"
        )
        notices = NoticeOutbox(
            redis, identity.team, poster, thread_cache, background, failpoints=failpoints
        )
        commands = CommandHandler(thread_modes, purge, queue, notices, self._metrics, quota)
        placeholders = PlaceholderPoster(redis, queue, poster, background)
        reanswers = ReanswerHandler(
            job_builder, queue, inbox, commands, placeholders, poster, background, alarm
        )
        policy = _build_policy(settings)
        admission = AdmissionControl(
            identity, policy, thread_modes, job_builder, users, queue, job_updates
        )
        stops, deletion = self._build_controls(identity, shared, queue, users, notices)
        questions = QuestionHandler(
            admission,
            commands,
            thread_cache,
            queue,
            inbox,
            thread_modes,
            placeholders,
            self._metrics,
            alarm,
            stops,
        )
        edits = EditHandler(
            identity, thread_cache, queue, refresher, reanswers, questions, poster, background
        )
        backfill = Backfill(
            identity,
            web_client,
            PacedReader(shared.stopped),
            questions,
            edits,
            queue,
            thread_modes,
            Reconciler(redis, identity, poster, queue),
        )
        reader = QuestionReader(
            inbox,
            queue,
            admission,
            commands,
            job_builder,
            thread_modes,
            refresher,
            placeholders,
            reanswers,
            backfill,
            poster,
            background,
            failpoints,
        )
        monitor = OutageMonitor(
            identity.team,
            redis,
            web_client.clock,
            backfill,
            has_connection=receiver.has_connection,
            stopped=shared.stopped,
        )
        slash_commands = SlashCommandHandler(identity, policy, users, queue, purge, quota)
        app_events = AppEventHandler(slash_commands, poster, purge, background)
        router = Router(
            identity,
            questions,
            edits,
            reanswers,
            stops,
            deletion,
            backfill,
            slash_commands,
            app_events,
            OutageSigns(identity, poster, background),
        )
        return _Handlers(
            router,
            notices,
            stops.follow_up,
            InboxDispatcher(inbox, reader, alarm, failpoints),
            monitor,
        )

    def _build_controls(
        self,
        identity: BotIdentity,
        shared: _Shared,
        queue: JobQueue,
        users: UserDirectory,
        notices: NoticeOutbox,
    ) -> tuple[StopHandler, ReplyDeletion]:
        stops, failpoints = Stops(self._redis, identity.team, queue), notices.failpoints
        admins, poster, cache = self._settings.starchat_admins, shared.poster, notices.thread_cache
        sessions = SessionSweeper(self._redis, identity.team, poster)
        deletion = ReplyDeletion(
            self._redis, identity.team, admins, queue, cache, poster, notices, shared.background
        )
        sweeps = (sessions.end_due, deletion.delete_due)
        follow_up = StopFollowUp(stops, poster, cache, shared.background, sweeps, failpoints)
        return (
            StopHandler(identity, admins, stops, users, notices, follow_up, sessions, failpoints),
            deletion,
        )

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


def _build_queue(redis: Redis, settings: Settings, failpoints: Failpoints) -> JobQueue:
    limits = QueueLimits(
        max_pending=settings.starchat_max_pending,
        max_per_user=settings.starchat_max_pending_per_user,
        max_running_per_user=settings.starchat_max_running_per_user,
    )
    return JobQueue(redis, limits, failpoints)


def _build_policy(settings: Settings) -> Policy:
    return Policy(
        allowed_bots=settings.starchat_allowed_bots,
        allow_external=settings.starchat_external_users == "allow",
        allow_guests=settings.starchat_guests == "allow",
    )
