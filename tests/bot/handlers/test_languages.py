"""Languages: each person reads their own, and a thread that of its asker or of its channel."""

from collections.abc import Iterator

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot import texts
from bot.concurrency import BackgroundTasks
from bot.handlers.notice_outbox import NoticeOutbox
from bot.handlers.rules.reader_languages import ReaderLanguages
from bot.notices import Notice, Sentence
from bot.records.rules import ChangeRequest
from bot.rules.channel_rules import ChannelRules
from bot.rules.versions import VersionedRules
from bot.slack.poster import Poster
from bot.store.thread_cache import ThreadCache
from contract.job import Thread
from contract.language import Language
from testing.language_checks import find_english
from testing.queue_inspector import find_job
from testing.slack_events import BOT_IDENTITY
from testing.workspace import ADA, GENERAL, LIN, PYTHON, STARCHAT, Json, Workspace
from tests.bot.handlers.rule_parts import build_settings

TEAM = BOT_IDENTITY.team
WRITING_METHODS = ("chat.", "views.", "assistant.")
"""Methods whose arguments people read."""


@pytest.fixture(autouse=True)
def read_chinese(workspace: Workspace) -> Iterator[None]:
    """Let Ada use Slack in Chinese."""
    workspace.send_control("person", id=ADA, name="Ada", locale="zh-CN")
    yield
    workspace.send_control("person", id=ADA, name="Ada")


def wait_for_words(workspace: Workspace, channel: str, thread: str, words: str) -> None:
    """Wait until the bot has written words in a thread."""
    workspace.wait_for_messages(
        lambda shown: any(words in message["text"] for message in shown[1:]), channel, thread
    )


def list_written(workspace: Workspace, since: int) -> list[Json]:
    """Return the arguments of all calls since then that show something."""
    return [
        call["args"]
        for call in workspace.api_calls(since)
        if call["method"].startswith(WRITING_METHODS)
    ]


@pytest.mark.usefixtures("bot", "redis")
def test_person_who_uses_slack_in_chinese_reads_no_english(workspace: Workspace) -> None:
    """Commands, help, status, rules, form, Home tab, placeholder and offer are translated."""
    since = len(workspace.api_calls())
    root = workspace.post_message(ADA, GENERAL, "@StarChat 什么是互斥锁？")
    wait_for_words(workspace, GENERAL, root, "目前没有 worker")
    help_root = workspace.post_message(ADA, PYTHON, "@StarChat 帮助")
    wait_for_words(workspace, PYTHON, help_root, "跟进")
    for command in ("状态", "rules", "forget", "settings undo", "?"):
        workspace.post_message(ADA, GENERAL, f"/starchat {command}")
    workspace.post_message(ADA, GENERAL, "/starchat settings")
    workspace.wait_until(lambda: workspace.get_json("_page/views", user=ADA)["modals"])
    workspace.post_json("_page/home", {"user": ADA})
    workspace.wait_until(lambda: workspace.get_json("_page/views", user=ADA)["home"])
    workspace.edit_message(ADA, GENERAL, root, "@StarChat 什么是信号量？")
    workspace.wait_until(
        lambda: [c for c in workspace.api_calls(since, "views.update") if c["status"] == 200]
    )

    shown = workspace.read_messages(GENERAL, user=ADA)
    ours = [message for message in shown if message["user"] == STARCHAT]
    assert len(ours) >= 5
    assert find_english(ours) == []
    assert find_english(list_written(workspace, since)) == []


@pytest.mark.usefixtures("bot")
def test_job_has_the_language_of_its_asker(workspace: Workspace, redis: Redis) -> None:
    """The worker writes in it. A person with another locale in the same channel gets English."""
    languages = []
    for user in (ADA, LIN):
        ts = workspace.post_message(user, GENERAL, "@StarChat hi")
        workspace.wait_for_acks(ts)
        job = find_job(redis, GENERAL, ts)
        assert job is not None
        languages.append(job.language)

    assert languages == [Language.CHINESE, Language.ENGLISH]


@pytest.mark.usefixtures("bot")
def test_thread_has_the_language_of_its_channel(
    workspace: Workspace, redis: Redis, languages: ReaderLanguages
) -> None:
    """Placeholder and job, of a person who uses Slack in English."""
    cache = languages.rules.cache
    cache.replace_rules({}, cache.read_clock())
    cache.put_rules(PYTHON, VersionedRules(ChannelRules(language=Language.CHINESE), 1))
    ts = workspace.post_message(LIN, PYTHON, "@StarChat hi")
    wait_for_words(workspace, PYTHON, ts, "目前没有 worker")

    job = find_job(redis, PYTHON, ts)
    assert job is not None
    assert job.language is Language.CHINESE


def test_rule_of_a_channel_comes_before_the_asker(languages: ReaderLanguages) -> None:
    """A direct message has no rules. What one person reads follows the person alone."""
    request = ChangeRequest(TEAM, GENERAL, LIN, "1", "1.5")
    languages.rules.store.save_rules(request, ChannelRules(language=Language.CHINESE), 0)

    assert languages.find_for_thread(GENERAL, LIN) is Language.CHINESE
    assert languages.find_for_thread(PYTHON, LIN) is Language.ENGLISH
    assert languages.find_for_thread(PYTHON, ADA) is Language.CHINESE
    assert languages.find_for_thread("D0DIRECT01", ADA) is Language.CHINESE
    assert languages.find_personal(LIN) is Language.ENGLISH
    assert languages.ask_slack(ADA) is Language.CHINESE


@pytest.mark.parametrize("locale", ["tlh", "", "zz-" + "Z" * 10_000, "zh"])
def test_unknown_locale_is_english(
    workspace: Workspace, languages: ReaderLanguages, locale: str
) -> None:
    """A locale that no one knows is no error."""
    workspace.send_control("person", id=ADA, name="Ada", locale=locale)
    expected = Language.CHINESE if locale == "zh" else Language.ENGLISH

    assert languages.find_personal(ADA) is expected


def test_notice_in_redis_is_rendered_where_it_is_sent(
    workspace: Workspace,
    redis: Redis,
    web: WebClient,
    background: BackgroundTasks,
    languages: ReaderLanguages,
) -> None:
    """Redis holds no words, and joined notices of one person have one language."""
    threads = ThreadCache(redis, web, BOT_IDENTITY)
    outbox = NoticeOutbox(redis, TEAM, Poster(web), threads, languages, background)
    since = len(workspace.api_calls())
    for user in (ADA, LIN):
        ts = workspace.post_message(user, GENERAL, "hi")
        outbox.tell_user(
            Thread(team=TEAM, channel=GENERAL, ts=ts), user, Notice(Sentence.STOP_ENDED)
        )
    background.drain(10)

    told = {
        c["args"]["user"]: c["args"]["text"]
        for c in workspace.api_calls(since, "chat.postEphemeral")
    }
    assert told[LIN] == str(texts.STOP_ENDED)
    assert told[ADA] == texts.STOP_ENDED.translate(Language.CHINESE)


def test_search_for_english_can_fail() -> None:
    """A known sentence, a label, and words that no catalogue has."""
    found = find_english(
        [
            {"text": {"type": "plain_text", "text": "Stop"}},
            {"text": "你好 Slack，`/starchat help me now`"},
            {"blocks": '[{"type": "section", "text": {"text": "No worker is running."}}]'},
            {"type": "rich_text", "elements": [{"text": "words of the model"}]},
        ]
    )

    assert found == ["Stop", "No worker is running."]


def test_malformed_form_is_refused_in_the_language_of_its_sender(
    web: WebClient, background: BackgroundTasks, languages: ReaderLanguages
) -> None:
    """The sender is read although the form is not."""
    form = build_settings(languages.rules, web, background)

    assert find_english(form.submit_form({"user": {"id": ADA}, "view": {}})["view"]) == []
    assert find_english(form.submit_form({"user": {"id": LIN}})["view"])
