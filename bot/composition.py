"""Composition of the handlers: one object of each kind serves the whole process."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from redis import Redis

from bot.concurrency import AlarmClock, BackgroundTasks
from bot.failpoints import Failpoints
from bot.handlers.admission_control import AdmissionControl
from bot.handlers.app_events import AppEventHandler
from bot.handlers.asked_before.check_threads import CheckThreads
from bot.handlers.asked_before.parts import AskedBeforeParts
from bot.handlers.asks.handlers import AskHandlers
from bot.handlers.asks.parts import build_asks
from bot.handlers.backfill import Backfill
from bot.handlers.commands import CommandHandler
from bot.handlers.current_code.parts import build_code_requests
from bot.handlers.edits import EditHandler
from bot.handlers.home.home_handler import HomeHandler
from bot.handlers.home.parts import build_home
from bot.handlers.inbox.dispatcher import InboxDispatcher
from bot.handlers.inbox.question_reader import QuestionReader
from bot.handlers.job_builder import JobBuilder
from bot.handlers.job_refresher import JobRefresher
from bot.handlers.notice_outbox import NoticeOutbox
from bot.handlers.outage_monitor import OutageMonitor
from bot.handlers.outage_signs import OutageSigns
from bot.handlers.placeholders import PlaceholderPoster
from bot.handlers.presence.extra_calls import ExtraCalls
from bot.handlers.presence.waiting_line import WaitingLine
from bot.handlers.questions import QuestionHandler
from bot.handlers.reanswer import ReanswerHandler
from bot.handlers.reconcile import Reconciler
from bot.handlers.replies.parts import ControlParts
from bot.handlers.replies.rework import ReworkHandler
from bot.handlers.research_notice import ResearchNotice
from bot.handlers.router import Router
from bot.handlers.rules.parts import build_settings_handler
from bot.handlers.rules.reader_languages import ReaderLanguages
from bot.handlers.rules.rule_reader import RuleReader
from bot.handlers.slash_commands import SlashCommandHandler
from bot.handlers.sweeper import Sweeper
from bot.handlers.team_purge import TeamPurge
from bot.handlers.votes.reply_source import ReplySource
from bot.messages.admission import Policy
from bot.messages.message import BotIdentity
from bot.metrics import Metrics
from bot.records.database import Records
from bot.records.rules import RuleStore
from bot.rules.channels_file import ChannelsFile
from bot.settings import Settings
from bot.slack.client import SlackWebClient
from bot.slack.delivery_gaps import DeliveryGaps
from bot.slack.http_mode import HttpMode
from bot.slack.paging import PacedReader
from bot.slack.poster import Poster
from bot.slack.socket_mode import SocketMode
from bot.slack.user_groups import UserGroups
from bot.slack.users import UserDirectory
from bot.store.acceptance import QueueLimits
from bot.store.budgets import DailyBudgets
from bot.store.command_quota import CommandQuota
from bot.store.inbox import Inbox
from bot.store.job_queue import JobQueue
from bot.store.job_updates import JobUpdates
from bot.store.purge import Purge
from bot.store.rules_cache import RulesCache
from bot.store.stored_answers import StoredAnswers
from bot.store.thread_cache import ThreadCache
from bot.store.thread_modes import ThreadModes


@dataclass(frozen=True, slots=True)
class Shared:
    """Objects that several handlers use and the bot stops at the end."""

    poster: Poster
    background: BackgroundTasks
    name_pool: ThreadPoolExecutor
    author_pool: ThreadPoolExecutor
    check_threads: CheckThreads
    recorder: BackgroundTasks
    stopped: threading.Event


@dataclass(frozen=True, slots=True)
class Handlers:
    """The listeners, and the threads beside them."""

    router: Router
    sweepers: tuple[Sweeper, ...]
    inbox: InboxDispatcher
    monitor: OutageMonitor
    home: HomeHandler

    def start_threads(self) -> None:
        """Start the threads beside the listeners."""
        self.monitor.start_thread()
        for sweeper in self.sweepers:
            sweeper.start_thread()
        self.inbox.start_thread()


@dataclass(frozen=True, slots=True)
class Composition:
    """What all handlers are built from."""

    settings: Settings
    redis: Redis
    web_client: SlackWebClient
    metrics: Metrics
    identity: BotIdentity
    shared: Shared
    records: Records
    channels_file: ChannelsFile

    def build_handlers(self, receiver: SocketMode | HttpMode) -> Handlers:
        """Build all handlers; `receiver` knows whether Slack can reach the bot."""
        settings, redis, web_client = self.settings, self.redis, self.web_client
        identity, poster, background = self.identity, self.shared.poster, self.shared.background
        failpoints = Failpoints.parse_plan(settings.starchat_failpoint)
        queue, quota = _build_queue(redis, settings, failpoints), CommandQuota(redis, identity.team)
        inbox, alarm = Inbox(redis, identity.team, queue), AlarmClock()
        thread_cache = ThreadCache(redis, web_client, identity)
        thread_modes, purge, job_updates = ThreadModes(redis), Purge(redis), JobUpdates(redis)
        (users, rules, languages), policy = self._build_readers(), _build_policy(settings)
        job_builder = JobBuilder(identity, settings.starchat_streaming, thread_cache, users)
        refresher = JobRefresher(
            job_builder, job_updates, restart_on_edit=settings.starchat_on_edit == "restart"
        )
        notices = NoticeOutbox(
            redis,
            identity.team,
            poster,
            thread_cache,
            languages,
            background,
            failpoints=failpoints,
            describe_rules=rules.describe_channel,
        )
        commands = CommandHandler(
            thread_modes,
            purge,
            queue,
            notices,
            self.metrics,
            quota,
            build_code_requests(identity, web_client, users, notices, background),
        )
        placeholders = PlaceholderPoster(
            redis, queue, poster, background, languages, line=self._build_line()
        )
        reanswers = ReanswerHandler(
            job_builder, rules, queue, inbox, commands, placeholders, poster, background, alarm
        )
        admission = AdmissionControl(
            identity, policy, thread_modes, job_builder, users, queue, job_updates, rules
        )
        stops, controls = ControlParts(
            settings,
            identity,
            self.records,
            self.metrics,
            queue,
            notices,
            ReworkHandler(
                job_builder,
                admission,
                queue,
                inbox,
                job_updates,
                StoredAnswers(redis),
                commands,
                poster,
                background,
                alarm,
                failpoints,
            ),
        ).build_controls()
        questions = QuestionHandler(
            admission,
            commands,
            thread_cache,
            queue,
            inbox,
            placeholders,
            self.metrics,
            alarm,
            stops,
        )
        edits = EditHandler(
            identity,
            thread_cache,
            queue,
            refresher,
            reanswers,
            questions,
            poster,
            background,
            controls.votes.outbox,
        )
        backfill = Backfill(
            identity,
            web_client,
            PacedReader(self.shared.stopped),
            questions,
            edits,
            queue,
            thread_modes,
            Reconciler(redis, identity, poster, queue),
            receiver.gaps if isinstance(receiver, HttpMode) else DeliveryGaps(),
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
            controls.reworks,
            StoredAnswers(redis),
            backfill,
            poster,
            background,
            failpoints,
            ResearchNotice(notices, is_on=settings.starchat_research_notice == "on"),
            self._build_asked_before(rules, users).build(
                controls.votes, ReplySource(identity, thread_cache)
            ),
        )
        monitor = OutageMonitor(
            identity.team,
            redis,
            web_client.clock,
            backfill,
            has_connection=receiver.has_connection,
            stopped=self.shared.stopped,
        )
        asks = build_asks(identity, policy, web_client, questions, notices)
        slash_commands, home = self._build_commands(asks, queue, purge, quota, notices)
        router = Router(
            identity,
            questions,
            edits,
            reanswers,
            stops,
            controls,
            backfill,
            slash_commands,
            asks,
            AppEventHandler(redis, poster, purge, self._build_team_purge(), background, languages),
            home,
            OutageSigns(identity, poster, background, languages),
            job_builder.public_questions,
        )
        return Handlers(
            router,
            (
                notices.build_sweeper(),
                stops.follow_up.build_sweeper(),
                controls.votes.keeper.build_sweeper(),
                self._build_team_purge().build_purge_sweeper(identity.team),
                controls.code.delivery.build_sweeper(),
                self._build_asked_before(rules, users)
                .build_retention(identity.team)
                .build_question_sweeper(),
            ),
            InboxDispatcher(inbox, reader, alarm, failpoints),
            monitor,
            home,
        )

    def _build_commands(
        self,
        asks: AskHandlers,
        queue: JobQueue,
        purge: Purge,
        quota: CommandQuota,
        notices: NoticeOutbox,
    ) -> tuple[SlashCommandHandler, HomeHandler]:
        check = asks.shortcut.asker_check
        commands = SlashCommandHandler(
            self.identity,
            check,
            asks.private.ask_privately,
            queue,
            purge,
            quota,
            build_settings_handler(self.settings, self.identity, self.web_client, notices),
        )
        return commands, build_home(
            self.settings, self.redis, commands, self.shared.poster, self.records
        )

    def _build_readers(self) -> tuple[UserDirectory, RuleReader, ReaderLanguages]:
        web_client, shared = self.web_client, self.shared
        users = UserDirectory(self.redis, web_client, shared.name_pool, shared.author_pool)
        cache = RulesCache(self.redis, self.identity.team)
        store, groups = RuleStore(self.records), UserGroups(web_client)
        rules = RuleReader(self.identity, self.channels_file, groups, cache, store)
        return users, rules, ReaderLanguages(users, rules)

    def _build_asked_before(self, rules: RuleReader, users: UserDirectory) -> AskedBeforeParts:
        shared = self.shared
        return AskedBeforeParts(
            self.web_client,
            self.records,
            rules,
            users,
            shared.poster,
            shared.recorder,
            shared.check_threads,
        )

    def _build_team_purge(self) -> TeamPurge:
        return TeamPurge(self.redis, self.records)

    def _build_line(self) -> WaitingLine:
        calls = ExtraCalls(self.redis, self.identity.team)
        return WaitingLine(self.redis, calls, self.shared.poster, self.shared.background)


def _build_queue(redis: Redis, settings: Settings, failpoints: Failpoints) -> JobQueue:
    limits = QueueLimits(
        max_pending=settings.starchat_max_pending,
        max_per_user=settings.starchat_max_pending_per_user,
        max_running_per_user=settings.starchat_max_running_per_user,
        budgets=DailyBudgets(
            settings.starchat_daily_gpu_seconds_per_user,
            settings.starchat_daily_gpu_seconds_per_channel,
            settings.starchat_admins,
        ),
    )
    return JobQueue(redis, limits, failpoints)


def _build_policy(settings: Settings) -> Policy:
    return Policy(
        allowed_bots=settings.starchat_allowed_bots,
        allow_external=settings.starchat_external_users == "allow",
        allow_guests=settings.starchat_guests == "allow",
    )
