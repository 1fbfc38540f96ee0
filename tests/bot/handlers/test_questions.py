"""What a person writes in Slack becomes one job with the right conversation."""

from typing import Any

import pytest
from redis import Redis

from bot import texts
from contract import keys
from contract.job import job_id
from testing.polling import poll_until
from testing.processes import Process
from testing.queue_inspector import (
    TEAM,
    find_job,
    finish_job,
    job_turns,
    pending_job_ids,
    runnable_job_ids,
)
from testing.workspace import ADA, DEPLOYBOT, GENERAL, LIN, PYTHON, SAM, STARCHAT, Workspace

Json = dict[str, Any]

pytestmark = pytest.mark.usefixtures("bot")


def ask_in_general(workspace: Workspace, text: str, thread: str | None = None, **who: str) -> str:
    """Post as Ada in #general unless told, wait for the acknowledgement, return the `ts`."""
    place = who.get("channel", GENERAL)
    ts = workspace.post_message(who.get("user", ADA), place, text, thread)
    workspace.wait_for_acks(ts)
    return ts


def wait_for_notice(workspace: Workspace, thread: str, words: str = "") -> None:
    """Wait until the bot has said these words in a thread; a question's sign may come after."""

    def is_posted() -> bool:
        return any(words in reply["text"] for reply in workspace.bot_replies(GENERAL, thread, ADA))

    poll_until(is_posted, description=f"a notice with '{words}'")


def test_a_mention_becomes_one_job(workspace: Workspace, redis: Redis) -> None:
    """Slack sends a mention twice, as two events; there is one job, and nothing was asked first."""
    start = len(workspace.api_calls())
    ts = ask_in_general(workspace, "@StarChat what is `List<T>` & why?")
    found = find_job(redis, GENERAL, ts)

    assert found is not None
    assert job_turns(redis, GENERAL, ts) == [(None, "what is `List<T>` & why?")]
    assert (found.user, found.user_team, found.thread.ts) == (ADA, TEAM, ts)
    assert runnable_job_ids(redis) == pending_job_ids(redis) == [found.id]
    assert {e["event_type"] for e in workspace.delivery_attempts(ts)} == {"message", "app_mention"}
    assert {call["method"] for call in workspace.api_calls(start)} <= {"chat.postMessage"}


def test_a_redelivered_mention_stays_one_job(workspace: Workspace, redis: Redis) -> None:
    """Slack repeats what it believes lost; the answer is not given twice, even if it was given."""
    ts = ask_in_general(workspace, "@StarChat hi")
    finish_job(redis, job_id(TEAM, GENERAL, ts))
    workspace.redeliver_events(ts)
    poll_until(lambda: len(workspace.delivery_attempts(ts)) == 4 and workspace.wait_for_acks(ts))

    assert pending_job_ids(redis) == []


def test_a_mention_in_the_middle_of_a_thread_reads_what_was_said(
    workspace: Workspace, redis: Redis
) -> None:
    """Who said what before is in the job, people by name and another bot's post as context."""
    root = workspace.post_message(ADA, GENERAL, "the build fails, see https://ci.example/7")
    workspace.post_raw(GENERAL, "Build 7 failed", user=DEPLOYBOT, thread_ts=root)
    workspace.post_message(LIN, GENERAL, "@Ada did you `pip install`?", root)
    ts = ask_in_general(workspace, "@StarChat what could it be?", root)

    assert job_turns(redis, GENERAL, ts) == [
        ("Ada", "the build fails, see https://ci.example/7"),
        ("deploybot", "Build 7 failed"),
        ("Lin", "@Ada did you `pip install`?"),
        ("Ada", "what could it be?"),
    ]


def test_a_follow_up_needs_no_mention_while_one_person_writes(
    workspace: Workspace, redis: Redis
) -> None:
    """In a thread of one person and the bot everything is a question, without another call."""
    root = ask_in_general(workspace, "@StarChat what is a mutex?")
    start = len(workspace.api_calls())
    ts = ask_in_general(workspace, "and in Rust?", root)

    assert job_turns(redis, GENERAL, ts) == [(None, "what is a mutex?"), (None, "and in Rust?")]
    assert not workspace.api_calls(start, "conversations.replies")


def test_a_follow_up_counts_while_the_first_question_is_still_taken_in(
    workspace: Workspace, redis: Redis
) -> None:
    """Nothing tells that the bot takes part in the thread, but that it is about to."""
    workspace.set_faults({"method": "users.info", "fault": "slow", "seconds": 3, "count": 1})
    start = len(workspace.api_calls())
    root = workspace.post_message(ADA, GENERAL, "@StarChat what does @Lin mean?")
    poll_until(
        lambda: workspace.api_calls(start, "users.info"), description="the question for the name"
    )
    ts = ask_in_general(workspace, "by the mutex", root)
    workspace.set_faults()

    assert find_job(redis, GENERAL, ts) is not None


def test_with_more_people_the_bot_waits_to_be_mentioned(workspace: Workspace, redis: Redis) -> None:
    """As soon as a second person writes, the bot answers mentions only."""
    root = ask_in_general(workspace, "@StarChat what is a mutex?")
    lin = ask_in_general(workspace, "I know!", root, user=LIN)
    ada = ask_in_general(workspace, "tell me", root)
    mention = ask_in_general(workspace, "@StarChat is she right?", root)

    assert find_job(redis, GENERAL, lin) is None
    assert find_job(redis, GENERAL, ada) is None
    assert job_turns(redis, GENERAL, mention) == [
        ("Ada", "what is a mutex?"),
        ("Lin", "I know!"),
        ("Ada", "tell me"),
        ("Ada", "is she right?"),
    ]


def test_follow_and_mute_change_how_the_bot_takes_part(workspace: Workspace, redis: Redis) -> None:
    """A thread can be followed with many people in it, and be left alone with one."""
    root = ask_in_general(workspace, "@StarChat follow")
    wait_for_notice(workspace, root, texts.FOLLOW_CONFIRMED)
    followed = ask_in_general(workspace, "what is a mutex?", root, user=LIN)
    assert find_job(redis, GENERAL, followed) is not None

    ask_in_general(workspace, "@StarChat mute", root, user=SAM)
    wait_for_notice(workspace, root, texts.MUTE_CONFIRMED)
    muted = ask_in_general(workspace, "and a semaphore?", root, user=LIN)
    assert find_job(redis, GENERAL, muted) is None
    asked = ask_in_general(workspace, "@StarChat and a semaphore?", root, user=LIN)
    assert find_job(redis, GENERAL, asked) is not None


def test_a_message_to_somebody_else_is_left_alone(workspace: Workspace, redis: Redis) -> None:
    """In a thread that the bot follows, a message for another person is not answered."""
    root = ask_in_general(workspace, "@StarChat follow")
    ts = ask_in_general(workspace, "@Lin can you look?", root)

    assert find_job(redis, GENERAL, ts) is None


def test_a_direct_message_is_a_question(workspace: Workspace, redis: Redis) -> None:
    """Between a person and the bot no mention is needed, at the root nor in a thread."""
    channel = workspace.open_dm(ADA, STARCHAT)
    root = ask_in_general(workspace, "what is a mutex?", channel=channel)
    ts = ask_in_general(workspace, "and in Rust?", root, channel=channel)

    assert job_turns(redis, channel, ts) == [(None, "what is a mutex?"), (None, "and in Rust?")]


def test_a_group_message_needs_a_mention_once(workspace: Workspace, redis: Redis) -> None:
    """In a group the bot is asked by a mention and then follows the thread."""
    channel = workspace.open_dm(ADA, LIN, STARCHAT)
    silent = ask_in_general(workspace, "hello all", channel=channel)
    root = ask_in_general(workspace, "@StarChat what is a mutex?", channel=channel)
    ts = ask_in_general(workspace, "and in Rust?", root, channel=channel)

    assert find_job(redis, channel, silent) is None
    assert find_job(redis, channel, root) is not None
    assert find_job(redis, channel, ts) is not None


@pytest.mark.parametrize("who", [DEPLOYBOT, STARCHAT])
def test_bots_start_nothing(workspace: Workspace, redis: Redis, who: str) -> None:
    """Neither another bot's mention nor the bot's own post becomes a job."""
    ts = workspace.post_raw(GENERAL, f"<@{STARCHAT}> hello", user=who)
    workspace.wait_for_acks(ts)

    assert pending_job_ids(redis) == []


def test_an_empty_mention_is_answered_by_help_once(workspace: Workspace, redis: Redis) -> None:
    """A mention without a question gets one kind sentence, also where Slack delivers it again."""
    ts = ask_in_general(workspace, "@StarChat")
    wait_for_notice(workspace, ts, "What would you like to know?")
    workspace.redeliver_events(ts)
    poll_until(lambda: len(workspace.delivery_attempts(ts)) == 4 and workspace.wait_for_acks(ts))

    assert len(workspace.bot_replies(GENERAL, ts)) == 1
    assert pending_job_ids(redis) == []


def test_our_notices_never_become_turns(workspace: Workspace, redis: Redis) -> None:
    """What the bot says about itself is not read back as something the model said."""
    root = ask_in_general(workspace, "@StarChat help")
    wait_for_notice(workspace, root)
    redis.delete(keys.thread_cache(TEAM, GENERAL, root))
    ts = ask_in_general(workspace, "@StarChat what is a mutex?", root)

    assert job_turns(redis, GENERAL, ts) == [(None, "what is a mutex?")]


def test_edits_and_deletions_keep_the_conversation_true(workspace: Workspace, redis: Redis) -> None:
    """What was edited is read as it stands, what was deleted is not read at all."""
    root = ask_in_general(workspace, "@StarChat what is a mutx?")
    secret = ask_in_general(workspace, "the key is hunter2", root)
    workspace.edit_message(ADA, GENERAL, root, "@StarChat what is a mutex?")
    workspace.delete_message(ADA, GENERAL, secret)
    copy = keys.thread_cache(TEAM, GENERAL, root)
    poll_until(lambda: b"mutex" in (redis.hget(copy, root) or b""), description="the edit")
    poll_until(
        lambda: b"hunter2" not in (redis.hget(copy, secret) or b""), description="the deletion"
    )
    ts = ask_in_general(workspace, "go on", root)

    assert job_turns(redis, GENERAL, ts) == [(None, "what is a mutex?"), (None, "go on")]


def test_a_deleted_question_is_not_answered(workspace: Workspace, redis: Redis) -> None:
    """Who takes a question back takes it out of the line, with its text and its sign."""
    ts = ask_in_general(workspace, "@StarChat my secret")
    other = ask_in_general(workspace, "@StarChat what is a mutex?")
    poll_until(lambda: workspace.bot_replies(GENERAL, ts), description="the sign")
    workspace.delete_message(ADA, GENERAL, ts)
    poll_until(
        lambda: pending_job_ids(redis) == [job_id(TEAM, GENERAL, other)],
        description="the cancellation",
    )
    poll_until(lambda: not workspace.bot_replies(GENERAL, ts), description="the sign's end")

    assert find_job(redis, GENERAL, ts) is None
    assert b"secret" not in (redis.hget(keys.thread_cache(TEAM, GENERAL, ts), ts) or b"")


def test_a_thread_is_forgotten_when_asked(workspace: Workspace, redis: Redis) -> None:
    """`forget` drops the copy; the next question reads the thread from Slack again."""
    root = ask_in_general(workspace, "@StarChat what is a mutex?")
    ask_in_general(workspace, "@StarChat forget", root)
    wait_for_notice(workspace, root, texts.THREAD_FORGOTTEN)
    assert not redis.exists(keys.thread_cache(TEAM, GENERAL, root))
    ts = ask_in_general(workspace, "@StarChat and in Rust?", root)

    assert [text for _, text in job_turns(redis, GENERAL, ts)] == [
        "what is a mutex?",
        "and in Rust?",
    ]


def test_a_person_has_so_many_questions_and_reads_so(workspace: Workspace, redis: Redis) -> None:
    """The ninth question that waits is declined in its thread; somebody else's is taken."""
    for number in range(8):
        ask_in_general(workspace, f"@StarChat question {number}")
    ninth = ask_in_general(workspace, "@StarChat one more")
    other = ask_in_general(workspace, "@StarChat hello", user=LIN, channel=PYTHON)

    wait_for_notice(workspace, ninth, "You have 8 questions waiting")
    assert find_job(redis, GENERAL, ninth) is None
    assert find_job(redis, PYTHON, other) is not None


def test_without_a_worker_the_thread_says_so_within_a_second(
    workspace: Workspace, redis: Redis, bot: Process
) -> None:
    """The sign is the placeholder that a worker will fill: it is posted once and known."""
    ts = ask_in_general(workspace, "@StarChat hi")
    sign = poll_until(
        lambda: workspace.bot_replies(GENERAL, ts), timeout=1.0, description="the sign"
    )[0]

    assert "No worker is running" in sign["text"]
    key = f"rq:job:{job_id(TEAM, GENERAL, ts)}"
    poll_until(lambda: redis.hget(key, keys.PLACEHOLDER) == sign["ts"].encode())
    assert str(redis.hget(key, keys.PLACEHOLDER_OWNER)).startswith("b'bot:")
    assert sign["metadata"]["event_payload"] == {
        "job": job_id(TEAM, GENERAL, ts),
        "part": 1,
        "question": ts,
        "state": "placeholder",
    }


def test_no_text_of_a_person_is_ever_logged(workspace: Workspace, bot: Process) -> None:
    """Logs hold ids, lengths and seconds; neither texts nor names nor tokens."""
    ask_in_general(workspace, "@StarChat my secret is hunter2")

    assert "question received" in bot.log_text
    for word in ("hunter2", "Ada", "xoxb-", "xapp-"):
        assert word not in bot.log_text
