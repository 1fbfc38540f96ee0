"""Puts the bot together: settings, clients, what it does about messages, and how they come in."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog
from slack_bolt import App

from bot.background import Background
from bot.failpoints import Faults
from bot.handlers.backfill import CatchUp
from bot.handlers.edits import Edits
from bot.handlers.job_builder import Jobs
from bot.handlers.notice_outbox import Notices
from bot.handlers.placeholders import Signs
from bot.handlers.questions import Turns
from bot.handlers.router import Listeners
from bot.health import Health, Metrics
from bot.messages.admission import Policy
from bot.messages.identity import Me
from bot.settings import Settings
from bot.slack import client
from bot.slack.http_mode import HttpMode
from bot.slack.http_server import Server
from bot.slack.poster import Posting
from bot.slack.socket_mode import SocketMode
from bot.slack.users import Names
from bot.store.client import connect
from bot.store.job_queue import Limits, Outbox
from bot.store.job_updates import Revisions
from bot.store.line import Line
from bot.store.purge import Forgetting
from bot.store.thread_cache import Threads
from bot.store.thread_modes import Sessions
from contract.settings import SettingsError
from contract.thread_pool import eager_thread_pool

log = structlog.get_logger()

DRAIN: Final = 5.0
"""Seconds for requests and errands that are under way when the bot is told to end."""
NAMES: Final = 8
"""Names that are asked for at once."""


class Bot:
    """The whole process but its signals."""

    def __init__(self, settings: Settings) -> None:
        """Connect to nothing yet. Raises `SettingsError` if `HEALTH_PORT` cannot be had."""
        self._settings = settings
        self._web = client.client(settings)
        self._redis = connect(settings.redis_url.get_secret_value())
        self._metrics = Metrics()
        self._receiver: SocketMode | HttpMode | None = None
        self._health = self._serve_health()

    def run(self, stop: threading.Event) -> None:
        """Receive until `stop`. Raises `SettingsError` for what Slack or the system refuses."""
        try:
            me = client.introduce(self._web, stop)
            if me is not None:
                self._receive(me, stop)
        finally:
            if self._health is not None:
                self._health.close()
            self._redis.close()
        log.info("ended")

    def _receive(self, me: Me, stop: threading.Event) -> None:
        background, posting = Background(), Posting(self._web)
        names = eager_thread_pool(NAMES, "name")
        app = client.application(self._web, me)
        listeners = self._listeners(me, background, posting, names)
        listeners.attach(app)
        receiver = self._receiver = self._door(app)
        catch_up = listeners.catch_up
        catch_up.start()
        listeners.turns.notices.start()
        try:
            receiver.start(stop)
            log.info("ready", team=me.team, mode=type(receiver).__name__)
            stop.wait()
            log.info("ending")
        finally:
            catch_up.close()
            listeners.turns.notices.close()
            receiver.close(DRAIN)
            posting.stop()
            background.close(DRAIN)
            names.shutdown(wait=False, cancel_futures=True)

    def _listeners(
        self, me: Me, background: Background, posting: Posting, names: ThreadPoolExecutor
    ) -> Listeners:
        settings, redis, line = self._settings, self._redis, Line(self._redis)
        faults = Faults.parse_plan(settings.starchat_failpoint)
        threads, known = Threads(redis, self._web, me), Names(redis, self._web, names)
        turns = Turns(
            me=me,
            redis=redis,
            policy=_policy(settings),
            jobs=Jobs(me, settings.starchat_streaming, threads, known),
            threads=threads,
            sessions=Sessions(redis),
            names=known,
            outbox=Outbox(redis, _limits(settings), faults),
            revisions=Revisions(redis),
            restart=settings.starchat_on_edit == "restart",
            line=line,
            signs=Signs(redis, line, posting, background),
            notices=Notices(redis, me.team, posting, threads, background, faults=faults),
            posting=posting,
            forgetting=Forgetting(redis),
            background=background,
            metrics=self._metrics,
        )
        edits = Edits(
            me=me,
            restart=turns.restart,
            jobs=turns.jobs,
            threads=threads,
            outbox=turns.outbox,
            revisions=turns.revisions,
            line=line,
            signs=turns.signs,
            posting=posting,
            background=background,
        )
        return Listeners(
            me=me,
            turns=turns,
            edits=edits,
            catch_up=CatchUp(redis, self._web, turns, edits, self._connected),
            line=line,
            posting=posting,
            forgetting=turns.forgetting,
            background=background,
            metrics=self._metrics,
        )

    def _door(self, app: App) -> SocketMode | HttpMode:
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
                self._web.clock,
            )
        except OSError as error:
            raise SettingsError(_taken("PORT", settings.port, error)) from None

    def _serve_health(self) -> Server | None:
        port = self._settings.health_port
        if not port:
            return None
        health = Health(self._redis, self._metrics, self._connected)
        try:
            server = Server(port, health.routes, name="health")
        except OSError as error:
            raise SettingsError(_taken("HEALTH_PORT", port, error)) from None
        server.start()
        return server

    def _connected(self) -> bool:
        return self._receiver is not None and self._receiver.connected()


def _policy(settings: Settings) -> Policy:
    return Policy(
        bots=settings.starchat_allowed_bots,
        external=settings.starchat_external_users == "allow",
        guests=settings.starchat_guests == "allow",
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        pending=settings.starchat_max_pending,
        per_person=settings.starchat_max_pending_per_user,
        slots=settings.starchat_max_running_per_user,
    )


def _taken(variable: str, port: int, error: OSError) -> str:
    return f"{variable} must be a port that can be listened on, not '{port}' ({error.strerror})"
