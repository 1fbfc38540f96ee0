"""Moved channels: a private channel keeps its rules when Slack gives it a new id."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.handlers.job_builder import Source
from bot.handlers.rules.rule_reader import RuleReader
from bot.records.database import Records
from bot.records.rules import ChangeRequest, RuleStore
from bot.rules import texts
from bot.rules.channel_rules import DEFAULT_RULES, ChannelRules, WhoMayAsk
from contract import keys
from testing.polling import poll_until
from testing.processes import Process
from testing.queue_inspector import TEAM
from testing.redis_server import RedisServer
from testing.workspace import ADA, LIN, STARCHAT, Workspace
from tests.bot.handlers.rule_parts import build_rule_reader

CLOSED = ChannelRules(who=WhoMayAsk.NO_ONE)
OPEN = ChannelRules(top_k=3)
OLD, NEW = "G012Y48650T", "C012Y48650T"


def build_request(channel: str, request: str = "V1") -> ChangeRequest:
    """Return Ada's change of a channel's rules."""
    return ChangeRequest(TEAM, channel, ADA, request, "1.0")


@pytest.fixture
def rules(redis: Redis, web: WebClient, tmp_path: Path) -> RuleReader:
    """Return a reader that knows a closed channel."""
    reader = build_rule_reader(redis, web, tmp_path)
    reader.store.save_rules(build_request(OLD), CLOSED, 0)
    reader.refresh_cache()
    return reader


def test_rules_move_with_their_log(rules: RuleReader) -> None:
    """Also if the event comes twice, before and after the database has the move."""
    for _ in range(2):
        rules.cache.record_move(OLD, NEW)
    assert rules.read_rules(NEW, Source.CACHE) == CLOSED
    for _ in range(2):
        rules.refresh_cache()
        assert rules.cache.list_moves() == []
        assert rules.store.load_rules(TEAM, NEW) == (CLOSED, 1)
        assert rules.store.load_rules(TEAM, OLD) == (DEFAULT_RULES, 0)
        assert rules.read_rules(NEW, Source.CACHE) == CLOSED
        rules.cache.record_move(OLD, NEW)

    rules.store.undo_change(build_request(NEW, "V2"))
    rules.refresh_cache()
    assert rules.read_rules(NEW, Source.CACHE) == DEFAULT_RULES


def test_rules_hold_while_the_database_is_away(
    rules: RuleReader, redis: Redis, web: WebClient, tmp_path: Path
) -> None:
    """Any bot moves them there later, also if Redis has lost its copies by then."""
    rules.store.records.close_database()
    rules.cache.record_move(OLD, NEW)
    rules.warm_cache()
    assert rules.read_rules(NEW, Source.CACHE) == CLOSED
    assert rules.cache.list_moves() == [(OLD, NEW)]

    redis.delete(keys.channel_rules(TEAM))
    other = build_rule_reader(redis, web, tmp_path)
    assert other.read_rules(NEW, Source.SLACK) == CLOSED
    assert other.cache.list_moves() == []


def test_earlier_read_of_the_database_undoes_no_move(rules: RuleReader) -> None:
    """Another bot had read it when the event came."""
    read_at, stored = rules.cache.read_clock(), rules.store.load_team(TEAM)
    rules.cache.record_move(OLD, NEW)
    rules.cache.replace_rules(stored, read_at)
    assert rules.read_rules(NEW, Source.CACHE) == CLOSED


def test_rules_of_the_new_id_stay(rules: RuleReader) -> None:
    """A manager was faster than the event."""
    rules.store.save_rules(build_request(NEW), OPEN, 0)
    rules.refresh_cache()
    rules.cache.record_move(OLD, NEW)
    assert rules.read_rules(NEW, Source.CACHE) == OPEN
    rules.refresh_cache()
    assert rules.read_rules(NEW, Source.CACHE) == OPEN
    assert rules.store.load_rules(TEAM, OLD) == (CLOSED, 1)


def test_moves_follow_each_other_and_malformed_ones_are_passed_over(
    rules: RuleReader, redis: Redis
) -> None:
    """Malformed rules close the channel under its new id too."""
    redis.rpush(keys.channel_moves(TEAM), "x", "a b c", f"{OLD} C\u0661")
    redis.hset(keys.channel_rules(TEAM), "G9", "bad")
    rules.cache.record_move(OLD, NEW)
    rules.cache.record_move(NEW, "C3")
    rules.cache.record_move("G9", "C9")
    assert rules.describe_channel("C9").text == texts.RULES_UNREADABLE
    rules.refresh_cache()
    assert rules.read_rules("C3", Source.CACHE) == CLOSED
    assert rules.read_rules(NEW, Source.CACHE) == DEFAULT_RULES


@pytest.fixture
def store(workspace: Workspace) -> Iterator[RuleStore]:
    """Return the rules in the database of the workspace's bot."""
    records = Records(workspace.database_url)
    yield RuleStore(records)
    records.close_database()


@pytest.mark.usefixtures("redis")
def test_shared_channel_stays_closed(
    server: RedisServer, workspace: Workspace, store: RuleStore, tmp_path: Path
) -> None:
    """Slack sends the event twice; the operator reads that the file has the former id."""
    den = {"name": "den", "members": [ADA, LIN, STARCHAT], "private": True}
    former = str(workspace.send_control("create", **den)["channel"])
    store.save_rules(build_request(former), CLOSED, 0)
    path = tmp_path / "channels.toml"
    path.write_text(f'[channels.{former}]\nprompt = "Answer in Go."\n', "utf-8")
    variables = {"STARCHAT_CHANNELS_FILE": str(path), **workspace.environment}
    with Process("bot", REDIS_URL=server.url, **variables) as bot:
        bot.wait_for_event("connected")
        workspace.wait_until_connected()
        present = str(workspace.send_control("share", channel=former)["channel"])
        line = bot.wait_for_event("channels file names a former id")
        assert (line["channel"], line["new_channel"]) == (former, present)
        moved = {"old_channel_id": former, "new_channel_id": present}
        workspace.send_control("event", event={"type": "channel_id_changed", **moved})
        bot.wait_for_event("channel moved")
        start = len(workspace.api_calls())
        workspace.wait_for_acks(workspace.post_raw(present, f"<@{STARCHAT}> hi", user=LIN))
        [call] = poll_until(
            lambda: workspace.api_calls(start, "chat.postEphemeral"), description="the refusal"
        )
        assert call["args"]["text"] == str(texts.CHANNEL_CLOSED)
        poll_until(lambda: store.load_rules(TEAM, present) == (CLOSED, 1), description="the move")
