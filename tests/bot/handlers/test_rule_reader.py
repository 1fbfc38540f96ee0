"""Rule reader: it fails closed, and knows the rules while the database is away."""

from pathlib import Path

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.handlers.job_builder import Source
from bot.handlers.rules.rule_reader import RuleReader, RulesUnknownError
from bot.messages.admission import Verdict
from bot.records.rules import ChangeRequest
from bot.rules import texts
from bot.rules.channel_rules import DEFAULT_RULES, ChannelRules, WhoMayAsk
from bot.rules.versions import RulesUnreadableError
from bot.store.client import NotCachedError
from contract import keys
from contract.job import Streaming
from testing.slack_events import BOT_IDENTITY, MENTION, make_message_event
from testing.workspace import ADA, DEPLOYBOT, GENERAL, Workspace
from tests.bot.handlers.rule_parts import build_rule_reader

CLOSED = ChannelRules(who=WhoMayAsk.NO_ONE)
GROUPED = ChannelRules(who=WhoMayAsk.GROUP, group="S0GROUP001")
FIRST = ChangeRequest(BOT_IDENTITY.team, GENERAL, ADA, "V1", "1.0")
MENTIONED = make_message_event(1, f"{MENTION} hi")
TALK = make_message_event(1, "hi")


@pytest.fixture
def rules(redis: Redis, web: WebClient, tmp_path: Path) -> RuleReader:
    """Return a reader of an empty database and an empty Redis."""
    return build_rule_reader(redis, web, tmp_path)


def test_rules_are_loaded_once(rules: RuleReader) -> None:
    """Before the acknowledgement no database is read; afterwards Redis has all channels."""
    rules.store.save_rules(FIRST, CLOSED, 0)
    with pytest.raises(NotCachedError):
        rules.read_rules(GENERAL, Source.CACHE)
    assert rules.read_rules(GENERAL, Source.SLACK) == CLOSED
    rules.store.records.close_database()

    assert rules.read_rules(GENERAL, Source.CACHE) == CLOSED
    assert rules.read_rules("C0OTHER001", Source.CACHE) == DEFAULT_RULES


def test_sweeper_finds_a_change_whose_bot_died(rules: RuleReader) -> None:
    """It was committed, and did not reach the cache."""
    rules.refresh_due()
    rules.store.save_rules(FIRST, CLOSED, 0)
    rules.refresh_due()
    assert rules.read_rules(GENERAL, Source.CACHE) == DEFAULT_RULES

    rules.refresh.due_at = 1
    rules.refresh_due()
    assert rules.read_rules(GENERAL, Source.CACHE) == CLOSED


def test_unknown_rules_are_read_again_and_then_refused(rules: RuleReader) -> None:
    """Neither Redis nor the database has them: no one may ask."""
    rules.store.records.close_database()
    with pytest.raises(RulesUnknownError):
        rules.read_rules(GENERAL, Source.SLACK)
    with pytest.raises(RulesUnreadableError):
        rules.read_rules(GENERAL, Source.LAST_TRY)

    assert rules.admit_user(GENERAL, ADA, Source.LAST_TRY)[1] is Verdict.RULES_UNREADABLE
    assert rules.read_talk_rules(TALK, Source.LAST_TRY) == DEFAULT_RULES
    assert rules.describe_channel(GENERAL).text == texts.RULES_UNREADABLE
    rules.refresh_due()


def test_malformed_rules_close_their_channel(rules: RuleReader, redis: Redis) -> None:
    """The others are as before."""
    rules.refresh_cache()
    redis.hset(keys.channel_rules(BOT_IDENTITY.team), GENERAL, "9.0 1 {")

    with pytest.raises(RulesUnreadableError):
        rules.read_rules(GENERAL, Source.CACHE)
    assert rules.read_rules("C0OTHER001", Source.CACHE) == DEFAULT_RULES


def test_file_has_the_last_word(redis: Redis, web: WebClient, tmp_path: Path) -> None:
    """Its keys are those that it sets; the others stay those of Slack."""
    file = {GENERAL: ChannelRules(who=WhoMayAsk.EVERYONE, streaming=Streaming.OFF)}
    rules = build_rule_reader(redis, web, tmp_path, file)
    rules.store.save_rules(FIRST, ChannelRules(who=WhoMayAsk.NO_ONE, prompt="Use Go."), 0)

    expected = ChannelRules(prompt="Use Go.", streaming=Streaming.OFF)
    assert rules.read_rules(GENERAL, Source.SLACK) == expected
    assert rules.list_locked_rules(GENERAL) == {"who", "streaming"}
    assert "`channels.toml`: who may ask, growing replies." in str(
        rules.describe_channel(GENERAL).text
    )


def test_direct_message_has_no_rules(rules: RuleReader) -> None:
    """It can be answered without the database."""
    rules.store.records.close_database()

    assert rules.admit_user("D0DIRECT01", ADA, Source.CACHE) == (DEFAULT_RULES, None)
    assert rules.describe_channel("D0DIRECT01").text == texts.DIRECT_MESSAGE_RULES


def test_unreadable_group_lets_no_one_ask(rules: RuleReader, workspace: Workspace) -> None:
    """A person who mentions the bot learns it; a bot and a talk do not."""
    workspace.send_control("user_group", id=GROUPED.group, removed=True)
    bot = MENTIONED.model_copy(update={"bot_ids": frozenset({DEPLOYBOT})})
    talk = make_message_event(1, "hi")
    refusals = [rules.refuse_author(post, GROUPED, Source.SLACK) for post in (MENTIONED, bot, talk)]

    assert refusals == [Verdict.GROUP_UNREADABLE, Verdict.IGNORE, Verdict.IGNORE]


def test_group_that_slack_does_not_send_is_refused_at_last(
    rules: RuleReader, workspace: Workspace
) -> None:
    """Before, the question is read again."""
    fault = {"method": "usergroups.users.list", "fault": "ratelimited"}
    workspace.set_faults(fault)
    try:
        with pytest.raises(Exception, match="ratelimited"):
            rules.refuse_author(MENTIONED, GROUPED, Source.SLACK)
        last = rules.refuse_author(MENTIONED, GROUPED, Source.LAST_TRY)
    finally:
        workspace.set_faults()

    assert last is Verdict.GROUP_UNREADABLE
