"""A bot with a channels file: refusals, answers without a mention, and rules in the job."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.rules import texts
from contract.job import Job, Streaming, job_id
from contract.rework import ReworkKind
from testing.polling import poll_until
from testing.processes import Process
from testing.queue_inspector import TEAM, find_job, pending_job_ids
from testing.redis_server import RedisServer
from testing.workspace import ADA, GENERAL, LIN, PYTHON, STARCHAT, Workspace
from tests.bot.handlers.rework_steps import point_to_earlier, press_control

MENTION = f"<@{STARCHAT}>"
GROUP = "S0GROUP001"
FILE = f"""
[channels.{GENERAL}]
who = "list"
users = ["{ADA}"]
prompt = "Answer in Go."
max_new_tokens = 32
streaming = "off"
without_mention = true

[channels.{PYTHON}]
who = "group"
group = "{GROUP}"
"""


@pytest.fixture(scope="module", autouse=True)
def ruled_bot(
    server: RedisServer, workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Process]:
    """Run a bot with a channels file."""
    path: Path = tmp_path_factory.mktemp("rules") / "channels.toml"
    path.write_text(FILE, "utf-8")
    workspace.send_control("user_group", id=GROUP, users=[ADA])
    variables = {"STARCHAT_CHANNELS_FILE": str(path), **workspace.environment}
    with Process("bot", REDIS_URL=server.url, **variables) as process:
        process.wait_for_event("connected")
        yield process


def ask(workspace: Workspace, text: str, user: str, channel: str = GENERAL) -> str:
    """Post a message and wait until all of its events are acknowledged."""
    ts = workspace.post_raw(channel, text, user=user)
    workspace.wait_for_acks(ts)
    return ts


def wait_for_job(redis: Redis, channel: str, ts: str) -> Job:
    """Return the job of a question as soon as its thread is read."""
    job: Job = poll_until(lambda: find_job(redis, channel, ts), description="the job")
    return job


def wait_for_ephemeral(workspace: Workspace, start: int, user: str) -> dict[str, object]:
    """Return the first ephemeral message to a user since a call."""

    def find_call() -> dict[str, object] | None:
        calls = workspace.api_calls(start, "chat.postEphemeral")
        sent = [dict(call["args"]) for call in calls]
        return next((arguments for arguments in sent if arguments["user"] == user), None)

    found: dict[str, object] = poll_until(find_call, description="an ephemeral message")
    return found


def test_listed_person_is_answered_by_the_rules(workspace: Workspace, redis: Redis) -> None:
    """The rules travel in the job; no mention is needed."""
    job = wait_for_job(redis, GENERAL, ask(workspace, "what is a mutex?", ADA))

    assert (job.rules.prompt, job.rules.max_new_tokens) == ("Answer in Go.", 32)
    assert job.streaming is Streaming.OFF


def test_other_person_is_told_why_not(workspace: Workspace, redis: Redis) -> None:
    """By one ephemeral word; without a mention the person hears nothing."""
    start = len(workspace.api_calls())
    talk = ask(workspace, "lunch?", LIN)
    refused = ask(workspace, f"{MENTION} what is a mutex?", LIN)

    assert wait_for_ephemeral(workspace, start, LIN)["text"] == str(texts.NOT_ALLOWED)
    assert find_job(redis, GENERAL, talk) is None
    assert find_job(redis, GENERAL, refused) is None


def test_other_person_cannot_have_a_question_answered_anyway(
    workspace: Workspace, redis: Redis, web: WebClient
) -> None:
    """The button is there for all who may ask; others are told why not."""
    ts = ask(workspace, f"{MENTION} what is a mutex?", ADA)
    wait_for_job(redis, GENERAL, ts)
    reply = point_to_earlier(workspace, redis, web, ts)
    start = len(workspace.api_calls())
    press_control(workspace, reply, ReworkKind.ANYWAY, LIN)

    assert wait_for_ephemeral(workspace, start, LIN)["text"] == str(texts.NOT_ALLOWED)
    own = job_id(TEAM, GENERAL, ts)
    poll_until(lambda: own not in pending_job_ids(redis), description="the end")


def test_anybody_learns_what_the_model_is_told(workspace: Workspace) -> None:
    """A person who may not ask sees the rules and the prompt too."""
    start = len(workspace.api_calls())
    ask(workspace, f"{MENTION} what are you told here?", ADA)

    told = wait_for_ephemeral(workspace, start, ADA)
    assert str(told["text"]).startswith("*This channel's rules*\n• Only these may ask me: ")
    assert "Answer in Go." in str(told["blocks"])


def test_group_is_read_after_the_acknowledgement(workspace: Workspace, redis: Redis) -> None:
    """Its members may ask; others are told why not."""
    start = len(workspace.api_calls())
    wait_for_job(redis, PYTHON, ask(workspace, f"{MENTION} hi", ADA, PYTHON))
    refused = ask(workspace, f"{MENTION} hi", LIN, PYTHON)

    assert wait_for_ephemeral(workspace, start, LIN)["text"] == str(texts.NOT_ALLOWED)
    assert find_job(redis, PYTHON, refused) is None
    assert len(workspace.api_calls(start, "usergroups.users.list")) == 1
