"""Suggested prompts: set once in a person's direct message, in the person's language."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.concurrency import BackgroundTasks
from bot.handlers.asks.asker_check import AskerCheck
from bot.handlers.presence.extra_calls import ExtraCalls
from bot.handlers.presence.prompts import SuggestedPrompts, build_prompts
from bot.messages.admission import Policy
from bot.messages.events import MessagesTabOpened
from bot.slack.members import ChannelMembers
from bot.slack.poster import Poster
from bot.slack.users import User, UserDirectory
from bot.store.thread_cache import ThreadCache
from contract import keys
from contract.language import Language
from contract.thread_pool import eager_thread_pool
from testing.slack_events import BOT_IDENTITY
from testing.workspace import ADA, STARCHAT, Json, Workspace
from tests.bot.handlers.rule_parts import build_rule_reader

METHOD = "assistant.threads.setSuggestedPrompts"
TEAM = BOT_IDENTITY.team


@pytest.fixture
def prompts(
    redis: Redis, web: WebClient, background: BackgroundTasks, tmp_path: Path
) -> Iterator[SuggestedPrompts]:
    """Return prompts of a bot that answers members only."""
    pool = eager_thread_pool(1, "name")
    check = AskerCheck(
        BOT_IDENTITY,
        Policy(allow_guests=False),
        UserDirectory(redis, web, pool, pool),
        build_rule_reader(redis, web, tmp_path),
        ChannelMembers(web),
        ThreadCache(redis, web, BOT_IDENTITY),
    )
    yield SuggestedPrompts(check, ExtraCalls(redis, TEAM), Poster(web), background)
    pool.shutdown()


def open_messages(workspace: Workspace, prompts: SuggestedPrompts) -> list[Json]:
    """Open the direct message as Ada; return the calls that this led to."""
    since = len(workspace.api_calls(method=METHOD))
    channel = workspace.open_dm(ADA, STARCHAT)
    prompts._suggest_prompts(MessagesTabOpened(team=TEAM, user=ADA, channel=channel))
    return workspace.api_calls(method=METHOD)[since:]


def put_profile(redis: Redis, **fields: object) -> None:
    """Let Redis have a profile of Ada."""
    profile = User(name="Ada", is_bot=False, language=Language.ENGLISH).model_copy(update=fields)
    redis.set(keys.user_profile(TEAM, ADA), profile.model_dump_json())


def test_prompts_are_set_once_a_day_in_the_persons_language(
    workspace: Workspace, redis: Redis, prompts: SuggestedPrompts
) -> None:
    """Another language sets them again; they are complete sentences, and one is a command."""
    put_profile(redis)
    [call] = open_messages(workspace, prompts)
    assert open_messages(workspace, prompts) == []
    assert call["args"]["channel_id"].startswith("D")
    assert call["args"]["prompts"] == build_prompts(Language.ENGLISH)
    put_profile(redis, language=Language.CHINESE)
    [call] = open_messages(workspace, prompts)

    titles = [prompt["title"] for prompt in call["args"]["prompts"]]
    assert titles == ["编写函数", "解释概念", "找出问题", "看看我能做什么"]
    assert call["args"]["prompts"][3]["message"] == "help"
    assert call["args"]["title"] == "我能帮你做什么？"


def test_person_who_may_not_ask_gets_no_prompts(
    workspace: Workspace, redis: Redis, prompts: SuggestedPrompts
) -> None:
    """A guest of a bot for members."""
    put_profile(redis, is_guest=True)

    assert open_messages(workspace, prompts) == []


@pytest.mark.parametrize(
    "error", ["missing_scope", "feature_disabled", "not_authorized", "unknown_method"]
)
def test_refused_prompts_are_left_out_for_an_hour(
    workspace: Workspace, redis: Redis, prompts: SuggestedPrompts, error: str
) -> None:
    """After that, they are tried again."""
    put_profile(redis)
    workspace.set_faults({"method": METHOD, "fault": "error", "error": error})
    assert len(open_messages(workspace, prompts)) == 1
    assert open_messages(workspace, prompts) == []
    workspace.set_faults()
    redis.delete(keys.extra_latch(TEAM, "prompts"))

    assert len(open_messages(workspace, prompts)) == 1


def test_prompts_take_no_call_from_others(
    workspace: Workspace, redis: Redis, web: WebClient, prompts: SuggestedPrompts
) -> None:
    """Without budget they are left to the next visit."""
    put_profile(redis)
    workspace.set_faults({"method": METHOD, "fault": "ratelimited", "count": 1})
    assert len(open_messages(workspace, prompts)) == 1
    assert not redis.exists(keys.extra_latch(TEAM, "prompts"))

    assert len(open_messages(workspace, prompts)) == 1
