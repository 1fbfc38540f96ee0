"""Commands: guests and external people may not run them, and each user has a limit."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot import texts
from bot.concurrency import BackgroundTasks
from bot.handlers.asks.asker_check import AskerCheck
from bot.handlers.asks.command import SlashCommand
from bot.handlers.slash_commands import SlashCommandHandler
from bot.messages.admission import Policy
from bot.messages.message import AuthorKind, Message
from bot.slack.members import ChannelMembers
from bot.slack.users import User, UserDirectory
from bot.store.command_quota import MAX_COMMANDS_PER_MINUTE, CommandQuota
from bot.store.job_queue import JobQueue
from bot.store.purge import Purge
from bot.store.thread_cache import ThreadCache
from contract import keys
from contract.job import Thread
from contract.language import Phrase
from testing.slack_events import BOT_IDENTITY, message_ts
from testing.thread_copies import seed_thread
from testing.workspace import ADA, GENERAL
from tests.bot.handlers.rule_parts import build_rule_reader, build_settings

TEAM = BOT_IDENTITY.team
FORGET = SlashCommand("forget", TEAM, GENERAL, ADA)


def run_command(handler: SlashCommandHandler, command: SlashCommand) -> str:
    """Run a command that is answered by a text."""
    words = handler.run_slash_command(command)
    assert words is not None
    return str(words.text)


@pytest.fixture
def strict(
    redis: Redis, web: WebClient, background: BackgroundTasks, tmp_path: Path
) -> Iterator[SlashCommandHandler]:
    """Return slash commands for members only, with a cached thread in the channel."""
    root = Message(ts=message_ts(1), kind=AuthorKind.PERSON, author=ADA, text="a text")
    thread = Thread(team=TEAM, channel=GENERAL, ts=message_ts(1))
    cache, rules = ThreadCache(redis, web, BOT_IDENTITY), build_rule_reader(redis, web, tmp_path)
    seed_thread(redis, thread, root)
    with ThreadPoolExecutor(2) as pool:
        yield SlashCommandHandler(
            BOT_IDENTITY,
            AskerCheck(
                BOT_IDENTITY,
                Policy(allow_guests=False),
                UserDirectory(redis, web, pool, pool),
                rules,
                ChannelMembers(web),
                cache,
            ),
            lambda _command, typed: Phrase("{typed}", typed=typed),
            JobQueue(redis),
            Purge(redis),
            CommandQuota(redis, TEAM),
            build_settings(rules, web, background),
        )


def test_member_forgets_channel(strict: SlashCommandHandler, redis: Redis) -> None:
    """The channel's copies are deleted before the reply."""
    assert run_command(strict, FORGET) == str(texts.purge_text(1))
    assert not redis.exists(keys.thread_cache(TEAM, GENERAL, message_ts(1)))


@pytest.mark.parametrize("who", ["guest", "external"])
def test_outsider_cannot_forget(strict: SlashCommandHandler, redis: Redis, who: str) -> None:
    """Who may not ask questions may not delete the channel's copies either."""
    guest = User(name="Guest", is_guest=who == "guest")
    redis.set(keys.user_profile(TEAM, ADA), guest.model_dump_json())
    team = TEAM if who == "guest" else "T0OTHER001"

    reply = run_command(strict, SlashCommand("forget", team, GENERAL, ADA))
    assert reply == str(texts.MEMBERS_ONLY)
    assert redis.exists(keys.thread_cache(TEAM, GENERAL, message_ts(1)))


def test_commands_of_one_user_are_limited(strict: SlashCommandHandler, redis: Redis) -> None:
    """After ten commands within a minute the next one is refused; other users are not."""
    status = SlashCommand("status", TEAM, GENERAL, ADA)
    replies = [run_command(strict, status) for _ in range(MAX_COMMANDS_PER_MINUTE + 2)]

    assert replies[-3] != str(texts.TOO_MANY_COMMANDS)
    assert replies[-2:] == [str(texts.TOO_MANY_COMMANDS)] * 2
    assert 0 < redis.ttl(keys.command_quota(TEAM, ADA)) <= 60
    assert CommandQuota(redis, TEAM).take_command("U0OTHER")
