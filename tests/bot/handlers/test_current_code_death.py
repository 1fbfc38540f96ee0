"""Current code: bots that die after they have recorded, uploaded or shared it."""

import contextlib

import pytest
from redis import Redis

from contract import keys
from testing.queue_inspector import TEAM
from testing.redis_server import RedisServer
from testing.workspace import GENERAL, LIN, RefusedError, Workspace
from tests.bot.handlers.edit_steps import ask_as_ada, post_answer
from tests.bot.handlers.test_current_code import (
    THIRD,
    find_files,
    store_answer,
    wait_for_end,
    wait_for_files,
)
from tests.bot.handlers.test_settings_death import start_bot


def release_run(redis: Redis, thread: str) -> None:
    """Let the lease of a dead bot run out."""
    redis.zadd(keys.code_schedule(TEAM), {f"{GENERAL}:{thread}": 0}, xx=True)


@pytest.mark.slow
def test_code_of_bots_that_died_is_shared_once(
    server: RedisServer, workspace: Workspace, redis: Redis
) -> None:
    """
    Each bot takes over what the one before it has left.

    `python -m pytest -m slow tests/bot/handlers/test_current_code_death.py` runs it.
    """
    with start_bot(server, workspace):
        ts = ask_as_ada(workspace, redis, "@StarChat a third")
        post_answer(workspace, redis, ts, "Third")
        store_answer(redis, ts, ts, THIRD)
    with start_bot(server, workspace, "after_code_record:kill") as victim:
        with contextlib.suppress(RefusedError):
            workspace.post_message(LIN, GENERAL, "@StarChat current code", ts)
        victim.wait_for_exit()
    assert redis.exists(keys.code_run(TEAM, GENERAL, ts))
    for point in ("after_code_uploaded", "after_code_shared"):
        with start_bot(server, workspace, f"{point}:kill") as victim:
            release_run(redis, ts)
            victim.wait_for_exit()
    with start_bot(server, workspace):
        wait_for_files(workspace, ts, 1)
        release_run(redis, ts)
        wait_for_end(redis)

    assert [one["title"] for one in find_files(workspace, ts)] == ["third.py"]
