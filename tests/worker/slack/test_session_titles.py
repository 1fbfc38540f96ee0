"""Titles of sessions: the first words of the first question, set once, where Slack has sessions."""

import pytest

from contract import keys
from contract.conversation import Speaker, Turn
from contract.job import Job, Thread
from contract.rework import Rework, ReworkKind
from testing.reply_harness import ReplyHarness
from testing.workspace import ADA, STARCHAT, Json
from worker.slack.agent_sessions import AgentSessions
from worker.slack.session_titles import MAX_TITLE_CHARACTERS, build_title

METHOD = "agents.sessions.rename"


async def run_reply(reply: ReplyHarness, job: Job) -> list[Json]:
    """Run a reply with a session; return the calls that set its title."""
    since = len(reply.harness.workspace.api_calls(method=METHOD))
    sessions = AgentSessions(reply.slack, reply.client)
    async with sessions.show_processing(job):
        pass
    await sessions.wait_for_tasks()
    return reply.harness.workspace.api_calls(method=METHOD)[since:]


def ask_directly(reply: ReplyHarness, text: str = "What is a `mutex`?") -> Job:
    """Return the job of Ada's question in her direct message."""
    workspace = reply.harness.workspace
    channel = workspace.open_dm(ADA, STARCHAT)
    ts = workspace.post_message(ADA, channel, text)
    thread = Thread(team=reply.job.thread.team, channel=channel, ts=ts)
    turn = Turn(speaker=Speaker.USER, text=text, ts=ts)
    return Job(thread=thread, ts=ts, user=ADA, user_team=thread.team, turns=(turn,))


async def test_first_question_of_a_direct_message_names_its_session(reply: ReplyHarness) -> None:
    """Later ones, other work on its reply and channels name none."""
    job = ask_directly(reply)
    [call] = await run_reply(reply, job)
    assert call["args"]["title"] == "What is a mutex?"
    assert (call["args"]["channel_id"], call["args"]["thread_ts"]) == (
        job.thread.channel,
        job.thread.ts,
    )

    assert await run_reply(reply, job) == []
    assert await run_reply(reply, reply.job) == []
    later = ask_directly(reply).model_copy(update={"thread": job.thread})
    assert await run_reply(reply, later) == []
    rework = Rework(kind=ReworkKind.REGENERATE, reply_id="0a")
    assert await run_reply(reply, ask_directly(reply).model_copy(update={"rework": rework})) == []
    assert await run_reply(reply, ask_directly(reply, "```")) == []


@pytest.mark.parametrize(
    "error", ["missing_scope", "feature_disabled", "not_authorized", "unknown_method"]
)
async def test_refused_title_is_left_out_for_an_hour(reply: ReplyHarness, error: str) -> None:
    """The session itself stays: its Stop is worth more than its title."""
    workspace = reply.harness.workspace
    workspace.set_faults({"fault": "error", "method": METHOD, "error": error})
    assert len(await run_reply(reply, ask_directly(reply))) == 1
    latch = keys.extra_latch(reply.job.thread.team, "title")
    assert 0 < await reply.client.ttl(latch) <= 3600
    assert await run_reply(reply, ask_directly(reply)) == []

    assert not await reply.client.exists(keys.session_latch(reply.job.thread.team))


async def test_title_without_budget_is_left_out(reply: ReplyHarness) -> None:
    """Nothing waits for it, and an odd error of one session concerns no other."""
    workspace = reply.harness.workspace
    workspace.set_faults({"fault": "ratelimited", "method": METHOD})
    await run_reply(reply, ask_directly(reply))
    workspace.set_faults({"fault": "error", "method": METHOD, "error": "session_not_found"})
    await run_reply(reply, ask_directly(reply))

    assert not await reply.client.exists(keys.extra_latch(reply.job.thread.team, "title"))


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("  Why\n\nis `a_b`*2  slow? ", "Why is a_b*2 slow?"),
        ("```python\nprint(1)\n```", "print(1)"),
        ("x" * 100, "x" * (MAX_TITLE_CHARACTERS - 1) + "…"),
        ("word " * 30, "word " * 10 + "word…"),
        ("为什么" * 40, ("为什么" * 40)[: MAX_TITLE_CHARACTERS - 1] + "…"),
        ("```js\n```", ""),
    ],
)
def test_title_is_the_first_words_in_one_line(question: str, title: str) -> None:
    """Fences are no words."""
    assert build_title(question) == title
    assert len(title) <= MAX_TITLE_CHARACTERS
