"""Questions that the bot posts: bots that die after they have recorded or posted one."""

import contextlib

from redis import Redis

from bot.messages.asks.asked_message import name_shared_request
from contract import keys
from contract.job import job_id
from testing.polling import poll_until
from testing.queue_inspector import TEAM, finish_job, pending_job_ids
from testing.redis_server import RedisServer
from testing.workspace import GENERAL, LIN, RefusedError, Workspace
from tests.bot.handlers.ask_steps import (
    find_asked,
    open_form,
    submit_form,
    wait_for_asked,
    wait_until_settled,
)
from tests.bot.handlers.test_private_asks import ANSWER, Scene, ask_privately, list_asked
from tests.bot.handlers.test_settings_death import start_bot


def release_ask(redis: Redis, view: str) -> None:
    """Let the lease of a dead bot run out."""
    redis.zadd(keys.ask_schedule(TEAM), {view: 0}, xx=True)


def test_shared_answer_of_a_bot_that_died_is_posted_once(
    server: RedisServer, workspace: Workspace, redis: Redis
) -> None:
    """The next bot finds the root among the channel's messages, and completes the button."""
    with start_bot(server, workspace):
        direct, asked, job = ask_privately(workspace, redis, "Why?")
        finish_job(redis, job.id)
    answers = keys.answer_cache(TEAM, direct, asked["ts"])
    redis.hset(answers, asked["ts"], ANSWER.model_dump_json())
    scene = Scene(workspace, redis, direct, asked["ts"])
    before = len(scene.find_shared())
    with start_bot(server, workspace, "after_ask_post:kill") as victim:
        with contextlib.suppress(RefusedError):
            scene.press_share()
        victim.wait_for_exit()
    with start_bot(server, workspace):
        release_ask(redis, name_shared_request(direct, asked["ts"]))
        with contextlib.suppress(RefusedError):
            # The button may be gone already.
            scene.press_share()
        wait_until_settled(redis)

    [shared] = scene.find_shared()[before:]
    assert redis.hget(f"rq:job:{job_id(TEAM, GENERAL, shared['ts'])}", keys.ANSWER) is not None
    [root] = [m for m in list_asked(workspace, direct) if m["ts"] == asked["ts"]]
    assert "actions" not in [block["type"] for block in root["blocks"]]


def test_question_of_bots_that_died_is_posted_once(
    server: RedisServer, workspace: Workspace, redis: Redis
) -> None:
    """The first bot has recorded it, the second has posted it, the third makes it a job."""
    root = workspace.post_message(LIN, GENERAL, "a message")
    with start_bot(server, workspace, "after_ask_record:kill") as victim:
        form = open_form(workspace, root)
        with contextlib.suppress(RefusedError):
            submit_form(workspace, form, "Why?")
        victim.wait_for_exit()
    assert find_asked(workspace, GENERAL, root) == []
    with start_bot(server, workspace, "after_ask_post:kill") as victim:
        release_ask(redis, form["id"])
        poll_until(lambda: find_asked(workspace, GENERAL, root), description="the question")
        victim.wait_for_exit()
    with start_bot(server, workspace):
        release_ask(redis, form["id"])
        # The person saw an error, and presses again.
        assert submit_form(workspace, form, "Why?")["ok"]
        _, job = wait_for_asked(workspace, redis, root)
        wait_until_settled(redis)

    assert pending_job_ids(redis) == [job.id]
    assert len(find_asked(workspace, GENERAL, root)) == 1
