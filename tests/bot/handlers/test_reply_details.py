"""Details of a reply: an ephemeral word to the person who asked."""

import json
from pathlib import Path

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot import texts
from bot.concurrency import BackgroundTasks
from bot.handlers.notice_outbox import NoticeOutbox
from bot.handlers.replies.details import DetailsHandler
from bot.handlers.rules.reader_languages import ReaderLanguages
from bot.messages.block_actions import DetailsRequested
from bot.rules.channel_rules import ChannelRules
from bot.slack.poster import Poster
from bot.store.thread_cache import ThreadCache
from contract.job import Thread
from contract.reply_controls import ReplyAddress
from contract.reply_details import ReplyDetails
from contract.texts import WITHDRAW_BUTTON
from testing.polling import poll_until
from testing.queue_inspector import TEAM
from testing.slack_events import BOT_IDENTITY
from testing.workspace import ADA, GENERAL, LIN, Workspace, message_texts
from tests.bot.handlers.edit_steps import ask_as_ada, post_answer
from tests.bot.handlers.rework_steps import add_controls
from tests.bot.handlers.rule_parts import build_rule_reader

pytestmark = pytest.mark.usefixtures("bot")


def press_details(workspace: Workspace, reply: str, user: str, value: str | None = None) -> None:
    """Press *Details* below a reply, with a forged `value` if one is given."""
    click = {"user": user, "channel": GENERAL, "ts": reply, "action_id": "show_details"}
    workspace.post_json("_page/click", click | ({"value": value} if value else {}))


def wait_for_words(workspace: Workspace, thread: str, user: str, words: str) -> str:
    """Wait until a person sees these words in a thread; return the person's view of it."""

    def find_words() -> str | None:
        shown = json.dumps(workspace.read_messages(GENERAL, thread, user))
        return shown if words in shown else None

    return poll_until(find_words, description=words)


def test_asker_alone_sees_the_details(workspace: Workspace, redis: Redis, web: WebClient) -> None:
    """They come from the message, although Redis has forgotten the job; others are refused."""
    ts = ask_as_ada(workspace, redis, "@StarChat sort a list")
    [reply] = post_answer(workspace, redis, ts, "An answer")
    add_controls(workspace, web, ts, reply, ADA)
    for key in redis.scan_iter("rq:job:*"):
        redis.delete(key)
    press_details(workspace, reply, ADA)
    wait_for_words(workspace, ts, ADA, "Seed: 41")
    press_details(workspace, reply, LIN)
    shown = wait_for_words(workspace, ts, LIN, str(texts.CONTROL_REFUSED))

    assert "Seed: 41" not in shown


def test_forged_value_is_refused_with_a_word(
    workspace: Workspace, redis: Redis, web: WebClient
) -> None:
    """Nothing of it is shown."""
    ts = ask_as_ada(workspace, redis, "@StarChat sort a list")
    [reply] = post_answer(workspace, redis, ts, "An answer")
    add_controls(workspace, web, ts, reply, ADA)
    press_details(workspace, reply, ADA, f'{ts} {ts} {ADA} {{"model": 1, "x": "<!channel>"}}')
    wait_for_words(workspace, ts, ADA, str(texts.CONTROL_UNREADABLE))

    assert not any(
        "<!channel>" in text for text in message_texts(workspace.read_messages(GENERAL, ts))
    )


@pytest.fixture
def linking_details(
    redis: Redis,
    web: WebClient,
    background: BackgroundTasks,
    languages: ReaderLanguages,
    tmp_path: Path,
) -> DetailsHandler:
    """A handler for a channel whose rule links questions to earlier ones."""
    threads, poster = ThreadCache(redis, web, BOT_IDENTITY), Poster(web)
    notices = NoticeOutbox(redis, TEAM, poster, threads, languages, background)
    file = {GENERAL: ChannelRules(asked_before=True)}
    return DetailsHandler(
        poster, notices, background, build_rule_reader(redis, web, tmp_path, file)
    )


@pytest.mark.parametrize("is_first", [True, False])
def test_first_question_of_a_thread_can_be_withdrawn(
    linking_details: DetailsHandler, workspace: Workspace, *, is_first: bool
) -> None:
    """Others are linked to no later one, so its details have no button for that."""
    ts = workspace.post_raw(GENERAL, "sort a list", user=ADA)
    later = ts if is_first else f"{float(ts) + 1:.6f}"
    request = DetailsRequested(
        thread=Thread(team=TEAM, channel=GENERAL, ts=ts),
        address=ReplyAddress(thread_ts=ts, ts=later, asker=ADA),
        details=ReplyDetails(seed=41),
        user=ADA,
    )
    linking_details.show_details(request)

    shown = wait_for_words(workspace, ts, ADA, "Seed: 41")
    assert (str(WITHDRAW_BUTTON) in shown) is is_first
