"""A bot whose app Slack refuses: nothing that it was about to post is lost or posted twice."""

from collections.abc import Iterator

import pytest
from redis import Redis

from bot.concurrency import BackgroundTasks
from bot.handlers.notice_outbox import NoticeOutbox
from bot.handlers.personal_notices import REFUSED_DELAY_SECONDS
from bot.handlers.placeholders import PlaceholderPoster
from bot.handlers.rules.reader_languages import ReaderLanguages
from bot.notices import Notice, Sentence
from bot.slack.access_monitor import AccessMonitor
from bot.slack.client import AppRefusedError, SlackWebClient
from bot.slack.poster import Poster
from bot.store.thread_cache import ThreadCache
from contract import keys
from contract.conversation import Speaker, Turn
from contract.job import Job, Thread
from testing.polling import poll_until
from testing.prepared_queue import PreparedQueue
from testing.processes import Process, fetch_page, free_port
from testing.queue_inspector import TEAM, find_job
from testing.redis_server import RedisServer
from testing.slack_events import BOT_IDENTITY, make_message_event
from testing.workspace import ADA, BOT_TOKEN, GENERAL, Workspace, message_texts

NOTICE = Notice(Sentence.HELP)


@pytest.fixture(autouse=True)
def restore_workspace(workspace: Workspace) -> Iterator[None]:
    """Remove injected faults after each test."""
    yield
    workspace.set_faults()


@pytest.fixture
def client(workspace: Workspace) -> SlackWebClient:
    """The bot's client, which follows whether Slack accepts the app."""
    return SlackWebClient(token=BOT_TOKEN, base_url=workspace.api_url, retry_handlers=[])


@pytest.fixture
def tasks() -> Iterator[BackgroundTasks]:
    """Background tasks that wait while Slack refuses the app."""
    running = BackgroundTasks(postponing=(AppRefusedError,))
    yield running
    running.drain(5)


def refuse_app(workspace: Workspace, method: str = "chat.*") -> None:
    """Let Slack refuse all calls of a method because of the token."""
    workspace.set_faults({"method": method, "fault": "error", "error": "token_revoked"})


def accept_app(workspace: Workspace, client: SlackWebClient, tasks: BackgroundTasks) -> None:
    """Let Slack accept the app, and wait until the monitor has noticed."""
    workspace.set_faults()
    monitor = AccessMonitor(client, lambda: BOT_TOKEN, tasks.resume_postponed)

    def is_noticed() -> bool:
        monitor.check_access()
        return not client.access.is_blocked

    poll_until(is_noticed, description="the end of the refusal")


def test_refused_placeholder_is_posted_later(
    workspace: Workspace,
    redis: Redis,
    client: SlackWebClient,
    tasks: BackgroundTasks,
    languages: ReaderLanguages,
) -> None:
    """Until then, a worker may post it: no process owns it."""
    refuse_app(workspace)
    queue = PreparedQueue(redis)
    ts = workspace.post_message(ADA, GENERAL, "what is a mutex?")
    turn = Turn(speaker=Speaker.USER, text="what is a mutex?", ts=ts)
    thread = Thread(team=BOT_IDENTITY.team, channel=GENERAL, ts=ts)
    job = Job(thread=thread, ts=ts, user=ADA, user_team=BOT_IDENTITY.team, turns=(turn,))
    queue.enqueue(job)
    placeholders = PlaceholderPoster(redis, queue, Poster(client), tasks, languages)
    placeholders.schedule_placeholder(thread, ts, ADA)
    poll_until(lambda: client.access.refusal == "token_revoked", description="the refusal")
    poll_until(lambda: not redis.hexists(f"rq:job:{job.id}", keys.PLACEHOLDER_OWNER))

    accept_app(workspace, client, tasks)
    poll_until(lambda: redis.hexists(f"rq:job:{job.id}", keys.PLACEHOLDER))
    [text] = message_texts(workspace.bot_replies(GENERAL, ts))
    assert "No worker is running" in text


def test_refused_notice_is_posted_later(
    workspace: Workspace,
    redis: Redis,
    client: SlackWebClient,
    tasks: BackgroundTasks,
    languages: ReaderLanguages,
) -> None:
    """A refused notice stays in the outbox; afterwards it is posted once."""
    refuse_app(workspace)
    post = make_message_event(ts=workspace.post_message(ADA, GENERAL, "@StarChat hi"))
    threads = ThreadCache(redis, client, BOT_IDENTITY)
    outbox = NoticeOutbox(redis, BOT_IDENTITY.team, Poster(client), threads, languages, tasks)
    outbox.post_notice(post, NOTICE)
    poll_until(lambda: client.access.refusal == "token_revoked", description="the refusal")
    schedule, name = keys.notice_schedule(BOT_IDENTITY.team), f"{GENERAL}:{post.ts}"

    def seconds_until_due() -> float:
        return (redis.zscore(schedule, name) or 0.0) - redis.time()[0]

    poll_until(lambda: 0 < seconds_until_due() <= REFUSED_DELAY_SECONDS, description="the delay")
    accept_app(workspace, client, tasks)
    redis.zadd(schedule, {name: 0}, xx=True)
    outbox.post_due_notices()
    assert message_texts(workspace.bot_replies(GENERAL, post.ts)) == [str(NOTICE.describe())]
    assert redis.zscore(schedule, name) is None


def test_readiness_names_the_refusal(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """The bot lives on, and is ready again without a restart."""
    port = free_port()
    with Process(
        "bot", REDIS_URL=server.url, HEALTH_PORT=str(port), **workspace.environment
    ) as bot:
        bot.wait_for_event("ready")
        refuse_app(workspace, "*")
        workspace.post_message(ADA, GENERAL, "@StarChat")
        bot.wait_for_event("app refused by slack")
        refused = "waiting for Slack, which refuses the app (token_revoked)\n"
        assert fetch_page(port, "/readyz") == (503, refused)
        assert fetch_page(port, "/healthz") == (200, "alive\n")
        workspace.set_faults()
        bot.wait_for_event("app accepted by slack")
        assert fetch_page(port, "/readyz") == (200, "ready\n")


def test_bot_without_database_answers(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """A database that is away stops no question; readiness and metrics name it."""
    port = free_port()
    variables = workspace.environment | {"HEALTH_PORT": str(port)}
    variables["DATABASE_URL"] = f"postgresql://u:s3cr3t@127.0.0.1:{free_port()}/d"
    # Redis has the rules of all channels: none.
    redis.hset(keys.channel_rules(TEAM), "*", "1.0")
    with Process("bot", REDIS_URL=server.url, **variables) as bot:
        bot.wait_for_event("ready")
        ts = workspace.post_message(ADA, GENERAL, "@StarChat hi")
        poll_until(lambda: find_job(redis, GENERAL, ts), description="the job")
        reason = "ready; records unavailable (OperationalError: no connection)\n"

        assert fetch_page(port, "/readyz") == (200, reason)
        assert "starchat_bot_records_available 0.0" in fetch_page(port, "/metrics")[1]
        assert "s3cr3t" not in bot.log_text
