"""Notice of research: told once to each person, whichever bot reads which question."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.concurrency import BackgroundTasks
from bot.handlers import research_notice
from bot.handlers.notice_outbox import NoticeOutbox
from bot.handlers.research_notice import ResearchNotice
from bot.handlers.rules.reader_languages import ReaderLanguages
from bot.messages.message import Message
from bot.messages.research_texts import RESEARCH_TOLD
from bot.slack.poster import Poster
from bot.store.thread_cache import ThreadCache
from contract import keys
from contract.job import Thread
from testing.polling import poll_until
from testing.queue_inspector import TEAM, find_job
from testing.redis_server import RedisServer
from testing.slack_events import BOT_IDENTITY, make_message
from testing.workspace import ADA, GENERAL, LIN, Workspace
from tests.bot.handlers.bot_starts import start_bot
from tests.bot.handlers.test_masked_notices import list_told


@pytest.fixture
def notices(
    redis: Redis, web: WebClient, background: BackgroundTasks, languages: ReaderLanguages
) -> list[ResearchNotice]:
    """Return the notices of four bots."""
    cache = ThreadCache(redis, web, BOT_IDENTITY)
    return [
        ResearchNotice(
            NoticeOutbox(redis, TEAM, Poster(web), cache, languages, background), is_on=True
        )
        for _ in range(4)
    ]


def read_question(ts: str, author: str = ADA, **more: str) -> tuple[Thread, Message]:
    """Return a question as a bot has read it."""
    raw = {**make_message(1, "hi", user=author), "ts": ts, **more}
    message = Message.from_slack(raw, BOT_IDENTITY)
    assert message is not None
    return Thread(team=TEAM, channel=GENERAL, ts=ts), message


def test_people_are_told_with_their_first_question(
    server: RedisServer, workspace: Workspace, redis: Redis
) -> None:
    """Two bots and several questions: each person reads it once, in private."""
    since = len(workspace.api_calls())
    with ExitStack() as stack:
        for _ in range(2):
            bot = stack.enter_context(start_bot(workspace, server, STARCHAT_RESEARCH_NOTICE="on"))
            bot.wait_for_event("connected")
        for user in (ADA, ADA, LIN):
            ts = workspace.post_message(user, GENERAL, "@StarChat hi")
            poll_until(partial(find_job, redis, GENERAL, ts), description="the job")
        poll_until(
            lambda: {user for user, _, _ in list_told(workspace, since)} == {ADA, LIN},
            description="both notices",
        )

    told = list_told(workspace, since)
    assert sorted(told) == [(ADA, None, str(RESEARCH_TOLD)), (LIN, None, str(RESEARCH_TOLD))]


def test_bots_at_the_same_time_tell_once(
    workspace: Workspace,
    redis: Redis,
    notices: list[ResearchNotice],
    background: BackgroundTasks,
) -> None:
    """Neither two questions at once nor one that is read twice, nor a later day, tells again."""
    since = len(workspace.api_calls())
    questions = [workspace.post_message(ADA, GENERAL, f"words {n}") for n in range(2)] * 2
    with ThreadPoolExecutor(4) as pool:
        calls = [
            pool.submit(notice.tell_once, *read_question(ts))
            for notice, ts in zip(notices, questions, strict=True)
        ]
    assert [call.result() for call in calls] == [None] * 4
    for key in redis.scan_iter("starchat:*:notice_quiet:*"):
        redis.delete(key)
    notices[0].tell_once(*read_question(questions[0]))
    background.drain(5)

    assert list_told(workspace, since) == [(ADA, None, str(RESEARCH_TOLD))]


def test_list_of_people_is_bounded(
    workspace: Workspace,
    redis: Redis,
    notices: list[ResearchNotice],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It holds ids and times, of the newest people; a bot reads no notice."""
    monkeypatch.setattr(research_notice, "MAX_TOLD_PEOPLE", 2)
    ts = workspace.post_message(ADA, GENERAL, "words")
    for number in range(3):
        notices[0].tell_once(*read_question(ts, f"U{number}"))
    ResearchNotice(notices[0].notices, is_on=False).tell_once(*read_question(ts, LIN))
    notices[0].tell_once(*read_question(ts, bot_id="B1", user="UBOT"))

    assert redis.zrange(keys.told_people(TEAM), 0, -1) == [b"U1", b"U2"]
    redis.set(keys.told_people(TEAM), "of a wrong type")
    notices[0].tell_once(*read_question(ts, LIN))
