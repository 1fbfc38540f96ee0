"""Votes while the database is away, and their texts with the workspace's consent."""

import json
import signal

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot import texts
from bot.records.database import Records
from bot.records.export import export_votes
from testing.polling import poll_until
from testing.postgres_server import PostgresServer
from testing.processes import Process
from testing.redis_server import RedisServer
from testing.secret_samples import SampleMaker
from testing.workspace import ADA, GENERAL, LIN, Workspace
from tests.bot.handlers.vote_steps import (
    post_reply,
    press_vote,
    wait_for_votes,
    wait_for_word,
)


@pytest.mark.postgres
def test_vote_waits_for_a_frozen_database(
    workspace: Workspace,
    redis: Redis,
    server: RedisServer,
    web: WebClient,
    postgres_server: PostgresServer,
    postgres_url: str,
) -> None:
    """Its person reads that it is kept. With consent it has masked texts, until one is deleted."""
    variables = workspace.environment | {"DATABASE_URL": postgres_url}
    variables["STARCHAT_VOTES_WITH_TEXT"] = "on"
    records, secret = Records(postgres_url), SampleMaker().draw_secret("AK~IA[U16]")
    with Process("bot", REDIS_URL=server.url, **variables) as bot:
        bot.wait_for_event("ready")
        ts, reply = post_reply(workspace, redis, web, f"@StarChat sort a list {secret}")
        postgres_server.send_signal(signal.SIGSTOP)
        try:
            press_vote(workspace, ts, reply, "up")
            wait_for_word(workspace, ts, LIN, str(texts.VOTE_DELAYED))
        finally:
            postgres_server.send_signal(signal.SIGCONT)
        wait_for_votes(records, reply, (LIN, "up", None, False))
        [line] = map(json.loads, export_votes(records, "0"))
        assert (line["conversation"][0]["role"], line["reply"]) == ("user", "sorted(names)")
        assert line["conversation"][0]["text"] == "sort a list <secret:aws-key:1>"
        assert secret not in json.dumps(line)
        workspace.edit_message(ADA, GENERAL, ts, "@StarChat sort a tuple")
        poll_until(
            lambda: '"reply": null' in next(export_votes(records, "0")),
            timeout=60,
            description="the deletion of the texts",
        )
    records.close_database()
