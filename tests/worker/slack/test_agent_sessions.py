"""Agent sessions: Slack's own Stop beside a reply, where Slack has sessions."""

import pytest

from contract import keys
from testing.reply_harness import ReplyHarness
from testing.workspace import Json
from worker.slack.agent_sessions import AgentSessions

METHOD = "agents.sessions.setStatus"


async def run_reply(reply: ReplyHarness) -> None:
    """Run a reply with a session, and wait for the session's calls."""
    sessions = AgentSessions(reply.slack, reply.client)
    async with sessions.show_processing(reply.job):
        pass
    await sessions.wait_for_tasks()


def list_statuses(reply: ReplyHarness, since: int) -> list[str]:
    """Return the statuses that the worker has set."""
    calls: list[Json] = reply.harness.workspace.api_calls(method=METHOD)
    return [str(call["args"]["status"]) for call in calls[since:]]


async def test_session_is_processing_while_a_reply_runs(reply: ReplyHarness) -> None:
    """It is active at the end, and no bot has to look after it."""
    before = len(reply.harness.workspace.api_calls(method=METHOD))
    await run_reply(reply)

    assert list_statuses(reply, before) == ["processing", "active"]
    assert await reply.client.exists(keys.session_schedule(reply.job.thread.team)) == 0


async def test_session_stays_for_the_next_question_of_its_thread(reply: ReplyHarness) -> None:
    """The thread's next job continues it; a bot looks after it until then."""
    thread = reply.job.thread
    queue = keys.thread_queue(thread.team, thread.channel, thread.ts)
    await reply.client.rpush(queue, reply.job.id, "next")
    before = len(reply.harness.workspace.api_calls(method=METHOD))
    await run_reply(reply)

    assert list_statuses(reply, before) == ["processing"]
    assert await reply.client.zcard(keys.session_schedule(thread.team)) == 1


@pytest.mark.parametrize("error", ["feature_disabled", "not_authorized", "missing_scope"])
async def test_workspace_without_sessions_is_left_alone(reply: ReplyHarness, error: str) -> None:
    """After one refusal no worker calls again for an hour."""
    reply.harness.workspace.set_faults({"fault": "error", "method": METHOD, "error": error})
    before = len(reply.harness.workspace.api_calls(method=METHOD))
    await run_reply(reply)
    latch = keys.session_latch(reply.job.thread.team)
    assert 0 < await reply.client.ttl(latch) <= 3600
    calls = len(list_statuses(reply, before))
    await run_reply(reply)

    assert len(list_statuses(reply, before)) == calls


async def test_session_takes_no_call_from_a_reply(reply: ReplyHarness) -> None:
    """Without budget the session is left out, and nothing waits."""
    bucket = keys.rate_limit(reply.job.thread.team, METHOD)
    before = len(reply.harness.workspace.api_calls(method=METHOD))
    seconds, _ = await reply.client.time()
    await reply.client.hset(bucket, "blocked_until", str((seconds + 600) * 1000))
    await run_reply(reply)

    assert list_statuses(reply, before) == []
