"""Uninstall: the team's data is deleted by the bot that hears of it, or by a later start."""

from redis import Redis

from bot.handlers.team_purge import TeamPurge
from bot.records.database import Records
from bot.records.export import export_votes
from contract import keys
from testing.polling import poll_until
from testing.processes import Process
from testing.queue_inspector import TEAM, pending_job_ids
from testing.redis_server import RedisServer
from testing.votes import store_vote
from testing.workspace import ADA, GENERAL, Workspace


def test_refused_start_deletes_the_data(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """The bot that heard of the uninstall has died, and the token is dead by now."""
    records = Records(workspace.database_url)
    store_vote(records, "T7")
    redis.set(keys.welcome("T7", "C1"), 1)
    TeamPurge(redis, records).mark_team("T7")
    variables = workspace.environment | {"SLACK_BOT_TOKEN": "xoxb-another"}
    with Process("bot", REDIS_URL=server.url, **variables) as bot:
        assert bot.wait_for_exit() == 2

    assert list(export_votes(records, "0")) == redis.keys("starchat:T7:*") == []
    records.close_database()


def test_uninstall_purges_team(workspace: Workspace, redis: Redis, server: RedisServer) -> None:
    """The bot may mark its cache of rules as complete again: it holds none."""
    with Process("bot", REDIS_URL=server.url, **workspace.environment) as bot:
        bot.wait_for_event("connected")
        ts = workspace.post_message(ADA, GENERAL, "@StarChat hi")
        poll_until(lambda: pending_job_ids(redis), description="the job")
        poll_until(lambda: workspace.bot_replies(GENERAL, ts), description="the placeholder")
        workspace.send_control("app", with_events=["app_uninstalled", "app_home_opened"])
        workspace.send_control("event", event={"type": "app_uninstalled"})
        bot.wait_for_event("team forgotten")
        assert not redis.hexists(keys.UNINSTALLED_TEAMS, TEAM)
        rules = keys.channel_rules(TEAM)
        assert set(redis.keys(f"starchat:{TEAM}:*")) <= {rules.encode()}
        assert set(redis.hkeys(rules)) <= {b"*"}
        assert pending_job_ids(redis) == []
