"""Deliveries over HTTP whose retry number, size or content is unusual."""

import json

import pytest
from redis import Redis

from contract import keys
from contract.texts import QUESTION_TOO_LONG
from testing.polling import poll_until
from testing.queue_inspector import find_job, job_turns, pending_job_ids
from testing.slack_events import (
    BOT_IDENTITY,
    CHANNEL,
    MENTION,
    make_body,
    make_message,
    make_reply,
    message_ts,
)
from testing.workspace import ADA, Workspace
from tests.bot.slack.signed_requests import BotPort, Json, sign_headers


def test_too_long_question_is_refused(port: BotPort, workspace: Workspace, redis: Redis) -> None:
    """A question above the job's size limit gets a notice and is not truncated."""
    start = len(workspace.api_calls())

    assert port.send_signed(make_body(make_message(1, f"{MENTION} " + "x" * 300_000)))[0] == 200
    said = poll_until(
        lambda: workspace.api_calls(start, "chat.postEphemeral"), description="a notice"
    )
    assert said[0]["args"]["text"] == str(QUESTION_TOO_LONG)
    assert pending_job_ids(redis) == []


def test_redelivered_root_is_not_cached_as_complete(port: BotPort, redis: Redis) -> None:
    """The next question reads the thread, which may have missed replies, from Slack."""
    assert port.send_signed(make_body(make_message(1)), X_Slack_Retry_Num="1")[0] == 200
    assert find_job(redis, CHANNEL, message_ts(1)) is not None
    assert not redis.exists(keys.thread_cache(BOT_IDENTITY.team, CHANNEL, message_ts(1)))
    assert redis.exists(keys.thread_mode(BOT_IDENTITY.team, CHANNEL, message_ts(1)))


def test_unknown_thread_mode_is_ignored(port: BotPort, redis: Redis) -> None:
    """A mode of another version counts as no mode."""
    redis.set(keys.thread_mode(BOT_IDENTITY.team, CHANNEL, message_ts(1)), "whisper")

    assert (
        port.send_signed(make_body(make_message(2, "and in Rust?", thread_ts=message_ts(1))))[0]
        == 200
    )
    assert pending_job_ids(redis) == []


@pytest.mark.parametrize(
    "whole",
    [
        {"type": "app_rate_limited", "team_id": "T0FAKE0001"},
        make_body({"type": "message"}),
        make_body({"type": "message", "subtype": "message_changed", "message": {}}),
        make_body({"type": "reaction_added", "user": ADA}),
        make_body(
            {
                "type": "message",
                "subtype": "message_changed",
                "ts": message_ts(9),
                "message": make_reply(3, "grows", state="growing", thread_ts=message_ts(1)),
            }
        ),
        {"type": "event_callback"},
    ],
)
def test_unused_events_are_acknowledged(port: BotPort, redis: Redis, whole: Json) -> None:
    """Events that the bot does not use are acknowledged, and become no job."""
    assert port.send_signed(whole)[0] == 200
    assert redis.keys("rq:job:*") == []


@pytest.mark.parametrize(
    ("team", "reply"), [(BOT_IDENTITY.team, "Mention me"), ("*", "Only members")]
)
def test_slash_forget_without_address_deletes_nothing(port: BotPort, team: str, reply: str) -> None:
    """Without a valid team and channel, the command deletes nothing."""
    content = f"command=/starchat&text=forget&team_id={team}&channel_id=*&user_id={ADA}".encode()
    kind = "application/x-www-form-urlencoded"
    status, answer = port.send_raw(content, **sign_headers(content, kind=kind))

    assert status == 200
    assert reply in json.loads(answer)["text"]


def test_lone_surrogate_in_question_is_replaced(port: BotPort, redis: Redis) -> None:
    """A lone surrogate in a JSON body reaches the job as a question mark."""
    assert port.send_signed(make_body(make_message(1, f"{MENTION} a\ud800b")))[0] == 200
    assert job_turns(redis, CHANNEL, message_ts(1)) == [(None, "a?b")]
