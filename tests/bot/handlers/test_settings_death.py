"""Form of a channel's rules in the bot's process: a bot that dies while it saves one."""

import contextlib

import pytest
from redis import Redis
from sqlalchemy import select

from bot.records.database import Records
from bot.records.tables import rule_changes
from bot.rules import texts
from testing.polling import poll_until
from testing.processes import Process
from testing.redis_server import RedisServer
from testing.workspace import ADA, GENERAL, LIN, STARCHAT, Json, RefusedError, Workspace


def open_form(workspace: Workspace) -> Json:
    """Open the form as Ada; return the view when it has its inputs."""
    workspace.post_message(ADA, GENERAL, "/starchat settings")

    def find_form() -> Json | None:
        modals = workspace.get_json("_page/views", user=ADA)["modals"]
        return next((modal for modal in modals if modal.get("submit")), None)

    form: Json = poll_until(find_form, description="the form")
    return form


def start_bot(server: RedisServer, workspace: Workspace, failpoint: str = "") -> Process:
    """Start a bot and wait until it is connected."""
    variables = {"STARCHAT_FAILPOINT": failpoint, **workspace.environment}
    process = Process("bot", REDIS_URL=server.url, **variables)
    process.wait_for_event("connected")
    workspace.wait_until_connected()
    return process


@pytest.mark.usefixtures("redis")
def test_form_of_a_bot_that_died_is_saved_once(
    server: RedisServer, workspace: Workspace, redis: Redis
) -> None:
    """The database has it, Slack shows an error; pressing again completes it."""
    with start_bot(server, workspace, "after_rules_saved:kill") as victim:
        form = open_form(workspace)
        press = {"user": ADA, "view_id": form["id"], "values": {"who": {"value": "none"}}}
        with contextlib.suppress(RefusedError):
            workspace.post_json("_page/submit", press)
        victim.wait_for_exit()
    with start_bot(server, workspace):
        answer = workspace.post_json("_page/submit", press)
        start = len(workspace.api_calls())
        workspace.wait_for_acks(workspace.post_raw(GENERAL, f"<@{STARCHAT}> hi", user=LIN))
        [call] = poll_until(
            lambda: workspace.api_calls(start, "chat.postEphemeral"), description="the refusal"
        )

    assert answer["ok"]
    assert call["args"]["text"] == str(texts.CHANNEL_CLOSED)
    records = Records(workspace.database_url)
    log = records.read(lambda c: c.execute(select(rule_changes)).mappings().all())
    records.close_database()
    assert [(row["version"], row["rule"], row["user_id"]) for row in log] == [(1, "who", ADA)]
