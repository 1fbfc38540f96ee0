"""Masked secrets: their author alone learns it, once for each message, and Redis holds none."""

from functools import partial
from typing import Final

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.concurrency import BackgroundTasks
from bot.handlers.notice_outbox import NoticeOutbox
from bot.handlers.rules.reader_languages import ReaderLanguages
from bot.messages.event_parser import parse_event
from bot.messages.events import MessagePosted
from bot.messages.message import Message
from bot.notices import Notice, Sentence
from bot.slack.poster import Poster
from bot.store.thread_cache import ThreadCache
from contract import keys
from contract.job import Thread
from testing.leak_scanner import find_entries, read_all_entries
from testing.polling import poll_until
from testing.queue_inspector import TEAM, job_turns
from testing.secret_samples import SampleMaker
from testing.slack_events import BOT_IDENTITY, make_body, make_message
from testing.workspace import ADA, GENERAL, STARCHAT, Json, Workspace, message_texts
from tests.bot.handlers.edit_steps import ask_as_ada, edit_as_ada

SECRET: Final = SampleMaker().draw_secret("AK~IA[U16]")
TEXT: Final = (
    "That looks like an AWS key. I replaced it before anything was stored. "
    "Rotate it: everyone who can read your message still sees it."
)


def list_told(workspace: Workspace, since: int) -> list[tuple[str, str | None, str]]:
    """Return reader, thread and text of each ephemeral message that Slack accepted."""
    calls = workspace.api_calls(since, method="chat.postEphemeral")
    accepted: list[Json] = [c["args"] for c in calls if c["status"] == 200 and not c["error"]]
    return [(args["user"], args.get("thread_ts"), args["text"]) for args in accepted]


def wait_until_told(workspace: Workspace, since: int) -> None:
    """Wait for the first ephemeral message."""
    poll_until(lambda: list_told(workspace, since), description="the notice")


@pytest.mark.usefixtures("bot")
def test_author_of_a_question_is_told_once(workspace: Workspace, redis: Redis) -> None:
    """The job has the mask; an edit that keeps the secret tells nothing more."""
    since = len(workspace.api_calls())
    ts = ask_as_ada(workspace, redis, f"@StarChat why does {SECRET} fail?")
    wait_until_told(workspace, since)
    edit_as_ada(workspace, ts, f"@StarChat why did {SECRET} fail?")
    plain = ask_as_ada(workspace, redis, "@StarChat and now?", ts)
    edit_as_ada(workspace, plain, f"@StarChat and now, with {SECRET}?")
    poll_until(lambda: len(list_told(workspace, since)) == 2, description="the second notice")

    assert list_told(workspace, since) == [(ADA, None, TEXT), (ADA, ts, TEXT)]
    assert job_turns(redis, GENERAL, ts) == [(None, "why did <secret:aws-key:1> fail?")]
    assert find_entries(read_all_entries(redis), SECRET) == []


@pytest.mark.usefixtures("bot")
def test_private_question_is_posted_masked(workspace: Workspace, redis: Redis) -> None:
    """The direct message holds the mask, and a word about it."""
    direct = workspace.open_dm(ADA, STARCHAT)
    workspace.post_message(ADA, GENERAL, f"/starchat ask why does {SECRET} fail?")

    def all_texts() -> str:
        roots = workspace.read_messages(direct)
        replies = [
            text for m in roots for text in message_texts(workspace.bot_replies(direct, m["ts"]))
        ]
        return "\n".join([*message_texts(roots), *replies])

    poll_until(lambda: "stored or posted" in all_texts(), description="the notice")
    assert "secret:aws-key:1" in all_texts()
    assert SECRET not in all_texts()
    assert find_entries(read_all_entries(redis), SECRET) == []


@pytest.mark.parametrize("is_masking_first", [True, False])
def test_masked_question_has_its_other_notice_too(
    workspace: Workspace,
    redis: Redis,
    web: WebClient,
    background: BackgroundTasks,
    languages: ReaderLanguages,
    *,
    is_masking_first: bool,
) -> None:
    """Both notices of one message are posted, whichever is recorded first."""
    since = len(workspace.api_calls())
    ts = workspace.post_message(ADA, GENERAL, "words")
    event = {**make_message(1, f"<@{STARCHAT}> {SECRET}", user=ADA, channel=GENERAL), "ts": ts}
    post = parse_event(make_body(event), BOT_IDENTITY)
    assert isinstance(post, MessagePosted)
    assert post.message is not None
    cache = ThreadCache(redis, web, BOT_IDENTITY)
    dead = BackgroundTasks(max_waiting=0)
    recorder, outbox = (
        NoticeOutbox(redis, TEAM, Poster(web), cache, languages, tasks, lease_seconds=0)
        for tasks in (dead, background)
    )
    steps = [
        partial(recorder.announce_masking, post.thread, post.message),
        partial(recorder.post_notice, post, Notice(Sentence.QUESTION_NOT_READ)),
    ]
    for step in steps if is_masking_first else reversed(steps):
        step()
    dead.drain(0)
    outbox.post_due_notices()

    assert list_told(workspace, since) == [(ADA, None, TEXT)]
    assert len(workspace.bot_replies(GENERAL, ts)) == 1
    assert redis.zcard(keys.notice_schedule(TEAM)) == 0


def test_notice_of_a_dead_bot_is_shown_by_another(
    workspace: Workspace,
    redis: Redis,
    web: WebClient,
    background: BackgroundTasks,
    languages: ReaderLanguages,
) -> None:
    """The notice is recorded once, before the job may run; replies and plain messages have none."""
    since = len(workspace.api_calls())
    ts = workspace.post_message(ADA, GENERAL, "words")
    thread = Thread(team=TEAM, channel=GENERAL, ts=ts)
    message = Message.from_slack({**make_message(1, f"x {SECRET}"), "ts": ts}, BOT_IDENTITY)
    assert message is not None
    dead = BackgroundTasks(max_waiting=0)
    outboxes = [
        NoticeOutbox(
            redis,
            TEAM,
            Poster(web),
            ThreadCache(redis, web, BOT_IDENTITY),
            languages,
            tasks,
            lease_seconds=0,
        )
        for tasks in (dead, background)
    ]
    outboxes[0].announce_masking(thread, message)
    dead.drain(0)
    assert list_told(workspace, since) == []

    outboxes[1].announce_masking(thread, message)
    outboxes[1].announce_masking(thread, message.model_copy(update={"masked": ()}))
    outboxes[1].post_due_notices()
    outboxes[1].post_due_notices()
    assert list_told(workspace, since) == [(ADA, None, TEXT)]
