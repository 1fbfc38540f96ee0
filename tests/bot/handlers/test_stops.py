"""Stops of waiting questions: by button and by word, for the asker and for administrators."""

from collections.abc import Callable, Iterator

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot import texts
from contract import keys
from contract.job import job_id
from contract.language import Language
from contract.rework import ReworkKind
from contract.stop import STOP_ACTION_ID, build_stop_block
from testing.polling import poll_until
from testing.processes import Process
from testing.queue_inspector import TEAM, pending_job_ids, rq_status, runnable_job_ids
from testing.redis_server import RedisServer
from testing.workspace import ADA, GENERAL, LIN, SAM, Json, Workspace, message_texts
from tests.bot.handlers.bot_starts import run_connected_bot
from tests.bot.handlers.edit_steps import ask_as_ada, set_job_fields
from tests.bot.handlers.rework_steps import point_to_earlier, press_control, wait_for_rework

pytestmark = pytest.mark.usefixtures("bot")
STOPPED = "Stopped by Ada."


@pytest.fixture(scope="module")
def bot(server: RedisServer, workspace: Workspace) -> Iterator[Process]:
    """A bot whose administrator is Sam."""
    with run_connected_bot(workspace, server, STARCHAT_ADMINS=SAM) as process:
        yield process


def wait_for_placeholder(workspace: Workspace, ts: str) -> Json:
    """Wait until a question has its placeholder with the button."""

    def find_placeholders() -> list[Json]:
        messages = workspace.read_messages(GENERAL, ts)
        return [message for message in messages if STOP_ACTION_ID in str(message.get("blocks"))]

    return poll_until(find_placeholders, description="the placeholder")[-1]


def press_stop(workspace: Workspace, message: Json, user: str = ADA) -> None:
    """Press the button of a message."""
    wish = {"user": user, "channel": GENERAL, "ts": message["ts"], "action_id": "stop_reply"}
    workspace.post_json("_page/click", wish)


def wait_for_text(workspace: Workspace, text: str, ts: str, user: str = ADA) -> None:
    """Wait until a person sees a text in a thread."""
    poll_until(
        lambda: text in message_texts(workspace.read_messages(GENERAL, ts, user)),
        description=text,
    )


def test_button_takes_question_out_of_the_line(workspace: Workspace, redis: Redis) -> None:
    """The placeholder becomes the end, its button goes, and the next question may run."""
    ts = ask_as_ada(workspace, redis, "@StarChat one")
    following = ask_as_ada(workspace, redis, "@StarChat two", ts)
    placeholder = wait_for_placeholder(workspace, ts)
    press_stop(workspace, placeholder)

    wait_for_text(workspace, STOPPED, ts)
    first, second = (job_id(TEAM, GENERAL, one) for one in (ts, following))
    assert (pending_job_ids(redis), runnable_job_ids(redis)) == ([second], [second])
    assert rq_status(redis, first) == "stopped"
    shown = workspace.bot_replies(GENERAL, ts)[0]
    assert shown["ts"] == placeholder["ts"]
    assert [block["type"] for block in shown["blocks"]] == ["context"]
    poll_until(lambda: redis.zcard(keys.stop_schedule(TEAM)) == 0, description="the end")


def test_other_people_read_who_may_stop(workspace: Workspace, redis: Redis) -> None:
    """Lin can't stop Ada's question; Sam is an administrator."""
    ts = ask_as_ada(workspace, redis, "@StarChat one")
    placeholder = wait_for_placeholder(workspace, ts)
    press_stop(workspace, placeholder, LIN)
    wait_for_text(workspace, str(texts.STOP_REFUSED), ts, LIN)
    assert pending_job_ids(redis) == [job_id(TEAM, GENERAL, ts)]
    assert str(texts.STOP_REFUSED) not in message_texts(workspace.read_messages(GENERAL, ts))

    press_stop(workspace, placeholder, SAM)
    wait_for_text(workspace, "Stopped by an administrator.", ts)
    assert pending_job_ids(redis) == []


def test_stop_of_a_written_reply_is_explained(workspace: Workspace, redis: Redis) -> None:
    """It stays as it is."""
    ts = ask_as_ada(workspace, redis, "@StarChat one")
    placeholder = wait_for_placeholder(workspace, ts)
    set_job_fields(redis, ts, **{keys.ANSWER: "Whole", "status": "started"})
    press_stop(workspace, placeholder)

    wait_for_text(workspace, str(texts.STOP_ENDED), ts)
    assert pending_job_ids(redis) == [job_id(TEAM, GENERAL, ts)]


def test_stale_button_is_explained(workspace: Workspace, redis: Redis) -> None:
    """The question was deleted, or is too old."""
    ts = ask_as_ada(workspace, redis, "@StarChat one")
    placeholder = wait_for_placeholder(workspace, ts)
    redis.delete(f"rq:job:{job_id(TEAM, GENERAL, ts)}")
    press_stop(workspace, placeholder)

    wait_for_text(workspace, str(texts.STOP_GONE), ts)


def test_reaction_stops_question_and_placeholder(workspace: Workspace, redis: Redis) -> None:
    """Another person's reaction gets a word, another emoji nothing."""
    first = ask_as_ada(workspace, redis, "@StarChat one")
    workspace.set_reaction(ADA, GENERAL, first, "tada")
    workspace.set_reaction(LIN, GENERAL, first, "octagonal_sign")
    wait_for_text(workspace, str(texts.STOP_REFUSED), first, LIN)
    assert pending_job_ids(redis) == [job_id(TEAM, GENERAL, first)]
    workspace.set_reaction(ADA, GENERAL, first, "octagonal_sign")
    wait_for_text(workspace, STOPPED, first)

    second = ask_as_ada(workspace, redis, "@StarChat two")
    placeholder = wait_for_placeholder(workspace, second)
    job_key = f"rq:job:{job_id(TEAM, GENERAL, second)}"
    poll_until(lambda: redis.hget(job_key, keys.PLACEHOLDER), description="its record")
    workspace.set_reaction(ADA, GENERAL, placeholder["ts"], "octagonal_sign")
    wait_for_text(workspace, STOPPED, second)
    assert pending_job_ids(redis) == []


def test_session_of_a_dead_worker_ends(workspace: Workspace, redis: Redis, web: WebClient) -> None:
    """Slack's own Stop works for the asker; the session ends with the thread's last job."""
    ts = ask_as_ada(workspace, redis, "@StarChat one")
    session = {"channel_id": GENERAL, "thread_ts": ts}
    web.agents_sessions_setStatus(**session, status="processing")
    pressed = {"channel": GENERAL, "thread_ts": ts}
    workspace.post_json("_page/stop", pressed | {"user": LIN})
    wait_for_text(workspace, str(texts.STOP_REFUSED), ts, LIN)
    workspace.post_json("_page/stop", pressed | {"user": ADA})
    wait_for_text(workspace, STOPPED, ts)

    def has_ended() -> bool:
        calls = workspace.api_calls(method="agents.sessions.setStatus")
        return bool(calls[-1]["args"].get("status") == "active")

    poll_until(has_ended, description="the end of the session")
    poll_until(lambda: not redis.exists(keys.session_schedule(TEAM)), description="the schedule")


def test_word_stops_own_questions_of_the_thread(workspace: Workspace, redis: Redis) -> None:
    """The bare word is no question; Lin's stays."""
    ts = ask_as_ada(workspace, redis, "@StarChat one")
    by_lin = workspace.post_message(LIN, GENERAL, "@StarChat two", ts)
    poll_until(lambda: len(pending_job_ids(redis)) == 2, description="both questions")
    workspace.post_message(ADA, GENERAL, "*Stop!*", ts)

    wait_for_text(workspace, STOPPED, ts)
    assert pending_job_ids(redis) == [job_id(TEAM, GENERAL, by_lin)]


def test_word_with_a_mention(workspace: Workspace, redis: Redis) -> None:
    """With nothing to stop, and for another person's question, a word to its author alone."""
    ts = ask_as_ada(workspace, redis, "@StarChat one")
    workspace.post_message(LIN, GENERAL, "@StarChat stop", ts)
    wait_for_text(workspace, str(texts.STOP_REFUSED), ts, LIN)
    workspace.post_message(SAM, GENERAL, "@StarChat stop", ts)
    wait_for_text(workspace, "Stopped by an administrator.", ts)
    workspace.post_message(ADA, GENERAL, "@StarChat stop", ts)
    wait_for_text(workspace, str(texts.NOTHING_TO_STOP), ts)

    assert pending_job_ids(redis) == []


def press_button_of_a_worker(workspace: Workspace, web: WebClient, ts: str, reply: str) -> None:
    """Press the button that a worker shows while it writes."""
    block = build_stop_block(ts, ts, Language.ENGLISH)
    web.chat_update(channel=GENERAL, ts=reply, text="So far", blocks=[block])
    press_stop(workspace, {"ts": reply}, LIN)


@pytest.mark.parametrize(
    "stop",
    [
        press_button_of_a_worker,
        lambda workspace, _web, _ts, reply: workspace.set_reaction(
            LIN, GENERAL, reply, "octagonal_sign"
        ),
        lambda workspace, _web, ts, _reply: workspace.post_message(LIN, GENERAL, "stop", ts),
        lambda workspace, _web, ts, _reply: workspace.post_json(
            "_page/stop", {"channel": GENERAL, "thread_ts": ts, "user": LIN}
        ),
    ],
    ids=["button", "reaction", "word", "session"],
)
def test_work_is_stopped_by_who_pays_for_it(
    workspace: Workspace,
    redis: Redis,
    web: WebClient,
    stop: Callable[[Workspace, WebClient, str, str], object],
) -> None:
    """Lin pressed *Answer anyway* below the reply to Ada's question."""
    ts = ask_as_ada(workspace, redis, "@StarChat one")
    reply = point_to_earlier(workspace, redis, web, ts)
    press_control(workspace, reply, ReworkKind.ANYWAY, LIN)
    wait_for_rework(redis, ts)
    web.agents_sessions_setStatus(channel_id=GENERAL, thread_ts=ts, status="processing")
    stop(workspace, web, ts, reply)

    poll_until(lambda: not pending_job_ids(redis), description="the end of the job")
    assert not redis.exists(f"{keys.user_quota(TEAM, LIN)}:pending")
    poll_until(lambda: redis.zcard(keys.stop_schedule(TEAM)) == 0, description="the end")


def test_question_is_stopped_before_its_placeholder(workspace: Workspace, redis: Redis) -> None:
    """Its thread says so all the same, once."""
    ts = ask_as_ada(workspace, redis, "@StarChat one")
    workspace.post_message(ADA, GENERAL, "stop", ts)
    wait_for_text(workspace, STOPPED, ts)
    poll_until(lambda: redis.zcard(keys.stop_schedule(TEAM)) == 0, description="the end")

    assert message_texts(workspace.bot_replies(GENERAL, ts)) == [STOPPED]


def test_deleted_question_takes_its_end_with_it(workspace: Workspace, redis: Redis) -> None:
    """Nothing of a stopped question stays when its author deletes it."""
    ts = ask_as_ada(workspace, redis, "@StarChat one")
    press_stop(workspace, wait_for_placeholder(workspace, ts))
    wait_for_text(workspace, STOPPED, ts)
    workspace.delete_message(ADA, GENERAL, ts)

    poll_until(lambda: not workspace.bot_replies(GENERAL, ts), description="the deletion")


def test_stop_of_a_dead_bot_is_completed(workspace: Workspace, redis: Redis) -> None:
    """Its record is in Redis; a bot takes the question out of the line and says so."""
    ts = ask_as_ada(workspace, redis, "@StarChat one")
    set_job_fields(redis, ts, **{keys.STOPPED_BY: '{"user": "U0ADA00001", "name": "Ada"}'})
    redis.zadd(keys.stop_schedule(TEAM), {job_id(TEAM, GENERAL, ts): 0, "poison": 0})

    wait_for_text(workspace, "Stopped by Ada.", ts)
    poll_until(lambda: redis.zcard(keys.stop_schedule(TEAM)) == 0, description="the end")
    assert pending_job_ids(redis) == []


def test_name_in_the_end_is_literal(workspace: Workspace, redis: Redis) -> None:
    """A person may be named like a mention of everybody, or with markup."""
    ts = ask_as_ada(workspace, redis, "@StarChat one")
    wait_for_placeholder(workspace, ts)
    record = '{"user": "U0ADA00001", "name": "<!channel> *A*"}'
    set_job_fields(redis, ts, **{keys.STOPPED_BY: record})
    redis.zadd(keys.stop_schedule(TEAM), {job_id(TEAM, GENERAL, ts): 0})

    wait_for_text(workspace, "Stopped by &lt;!channel&gt; *A*.", ts)
    [block] = workspace.bot_replies(GENERAL, ts)[0]["blocks"]
    [element] = block["elements"]
    assert (element["type"], element["text"]) == ("plain_text", "Stopped by <!channel> *A*.")
