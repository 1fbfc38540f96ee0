"""Questions: each message to the bot becomes one job with the right conversation."""

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
    """Wait until a message of the bot in a thread contains `words`."""

    def is_posted() -> bool:
        return any(words in reply["text"] for reply in workspace.bot_replies(GENERAL, thread, ADA))

    poll_until(is_posted, description=f"a notice with '{words}'")


def test_mention_becomes_one_job(workspace: Workspace, redis: Redis) -> None:
    """Slack's two events of a mention make one job. It needs no call but for the locale."""
    start = len(workspace.api_calls())
    ts = ask_in_general(workspace, "@StarChat what is `List<T>` & why?")
    found = find_job(redis, GENERAL, ts)

    assert found is not None
    assert job_turns(redis, GENERAL, ts) == [(None, "what is `List<T>` & why?")]
    assert (found.user, found.user_team, found.thread.ts) == (ADA, TEAM, ts)
    assert runnable_job_ids(redis) == pending_job_ids(redis) == [found.id]
    assert {e["event_type"] for e in workspace.delivery_attempts(ts)} == {"message", "app_mention"}
    calls = [call["method"] for call in workspace.api_calls(start)]
    assert set(calls) <= {"chat.postMessage", "users.info"}
    assert calls.count("users.info") <= 1


def test_redelivered_mention_stays_one_job(workspace: Workspace, redis: Redis) -> None:
    """A redelivery makes no second job, also after the answer."""
    ts = ask_in_general(workspace, "@StarChat hi")
    finish_job(redis, job_id(TEAM, GENERAL, ts))
    workspace.redeliver_events(ts)
    poll_until(lambda: len(workspace.delivery_attempts(ts)) == 4 and workspace.wait_for_acks(ts))

    assert pending_job_ids(redis) == []


def test_mention_in_thread_includes_earlier_messages(workspace: Workspace, redis: Redis) -> None:
    """The job has all earlier messages, with names of people and bots."""
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


def test_follow_up_of_one_person_needs_no_mention(workspace: Workspace, redis: Redis) -> None:
    """With one person in the thread, each message is a question, without a Web API call."""
    root = ask_in_general(workspace, "@StarChat what is a mutex?")
    start = len(workspace.api_calls())
    ts = ask_in_general(workspace, "and in Rust?", root)

    assert job_turns(redis, GENERAL, ts) == [(None, "what is a mutex?"), (None, "and in Rust?")]
    assert not workspace.api_calls(start, "conversations.replies")


def test_follow_up_waits_for_first_question_in_progress(workspace: Workspace, redis: Redis) -> None:
    """A follow-up that arrives before the thread has a mode waits for its root."""
    workspace.set_faults({"method": "users.info", "fault": "slow", "seconds": 3, "count": 1})
    start = len(workspace.api_calls())
    root = workspace.post_message(ADA, GENERAL, "@StarChat what does @Lin mean?")
    poll_until(
        lambda: workspace.api_calls(start, "users.info"), description="the question for the name"
    )
    ts = ask_in_general(workspace, "by the mutex", root)
    workspace.set_faults()

    assert find_job(redis, GENERAL, ts) is not None


def test_second_person_makes_mentions_necessary(workspace: Workspace, redis: Redis) -> None:
    """After a second person has written, the bot answers only mentions."""
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


def test_follow_and_mute_change_thread_mode(workspace: Workspace, redis: Redis) -> None:
    """`follow` answers several people without mentions; `mute` ends that for one, too."""
    root = ask_in_general(workspace, "@StarChat follow")
    wait_for_notice(workspace, root, str(texts.FOLLOW_CONFIRMED))
    followed = ask_in_general(workspace, "what is a mutex?", root, user=LIN)
    assert find_job(redis, GENERAL, followed) is not None

    ask_in_general(workspace, "@StarChat mute", root, user=SAM)
    wait_for_notice(workspace, root, str(texts.MUTE_CONFIRMED))
    muted = ask_in_general(workspace, "and a semaphore?", root, user=LIN)
    assert find_job(redis, GENERAL, muted) is None
    asked = ask_in_general(workspace, "@StarChat and a semaphore?", root, user=LIN)
    assert find_job(redis, GENERAL, asked) is not None


def test_message_to_another_person_is_ignored(workspace: Workspace, redis: Redis) -> None:
    """In a followed thread, a message that mentions another person is no question."""
    root = ask_in_general(workspace, "@StarChat follow")
    ts = ask_in_general(workspace, "@Lin can you look?", root)

    assert find_job(redis, GENERAL, ts) is None


def test_direct_message_needs_no_mention(workspace: Workspace, redis: Redis) -> None:
    """In a direct message, neither root nor reply needs a mention."""
    channel = workspace.open_dm(ADA, STARCHAT)
    root = ask_in_general(workspace, "what is a mutex?", channel=channel)
    ts = ask_in_general(workspace, "and in Rust?", root, channel=channel)

    assert job_turns(redis, channel, ts) == [(None, "what is a mutex?"), (None, "and in Rust?")]


def test_group_message_needs_first_mention(workspace: Workspace, redis: Redis) -> None:
    """In a group message, the bot follows a thread after one mention."""
    channel = workspace.open_dm(ADA, LIN, STARCHAT)
    silent = ask_in_general(workspace, "hello all", channel=channel)
    root = ask_in_general(workspace, "@StarChat what is a mutex?", channel=channel)
    ts = ask_in_general(workspace, "and in Rust?", root, channel=channel)

    assert find_job(redis, channel, silent) is None
    assert find_job(redis, channel, root) is not None
    assert find_job(redis, channel, ts) is not None


@pytest.mark.parametrize("who", [DEPLOYBOT, STARCHAT])
def test_bot_messages_are_ignored(workspace: Workspace, redis: Redis, who: str) -> None:
    """Neither messages of other bots nor the own ones start an answer."""
    ts = workspace.post_raw(GENERAL, f"<@{STARCHAT}> hello", user=who)
    workspace.wait_for_acks(ts)

    assert find_job(redis, GENERAL, ts) is None
    assert pending_job_ids(redis) == []


def test_empty_mention_gets_help_once(workspace: Workspace, redis: Redis) -> None:
    """A redelivery of the mention does not repeat the help."""
    ts = ask_in_general(workspace, "@StarChat")
    wait_for_notice(workspace, ts, "What would you like to know?")
    workspace.redeliver_events(ts)
    poll_until(lambda: len(workspace.delivery_attempts(ts)) == 4 and workspace.wait_for_acks(ts))

    assert len(workspace.bot_replies(GENERAL, ts)) == 1
    assert pending_job_ids(redis) == []


def test_notices_are_no_turns(workspace: Workspace, redis: Redis) -> None:
    """The bot's notices are not read back as replies of the model."""
    root = ask_in_general(workspace, "@StarChat help")
    wait_for_notice(workspace, root)
    redis.delete(keys.thread_cache(TEAM, GENERAL, root))
    ts = ask_in_general(workspace, "@StarChat what is a mutex?", root)

    assert job_turns(redis, GENERAL, ts) == [(None, "what is a mutex?")]


def test_edits_and_deletions_change_conversation(workspace: Workspace, redis: Redis) -> None:
    """A follow-up has edited texts, and no deleted ones."""
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


def test_deleted_question_is_cancelled(workspace: Workspace, redis: Redis) -> None:
    """The job, its text and its placeholder are deleted."""
    ts = ask_in_general(workspace, "@StarChat my secret")
    other = ask_in_general(workspace, "@StarChat what is a mutex?")
    poll_until(lambda: workspace.bot_replies(GENERAL, ts), description="the placeholder")
    workspace.delete_message(ADA, GENERAL, ts)
    poll_until(
        lambda: pending_job_ids(redis) == [job_id(TEAM, GENERAL, other)],
        description="the cancellation",
    )
    poll_until(
        lambda: not workspace.bot_replies(GENERAL, ts),
        description="the deletion of the placeholder",
    )

    assert find_job(redis, GENERAL, ts) is None
    assert b"secret" not in (redis.hget(keys.thread_cache(TEAM, GENERAL, ts), ts) or b"")


def test_forget_deletes_cached_thread(workspace: Workspace, redis: Redis) -> None:
    """After `forget`, the next question reads the thread from Slack."""
    root = ask_in_general(workspace, "@StarChat what is a mutex?")
    ask_in_general(workspace, "@StarChat forget", root)
    wait_for_notice(workspace, root, str(texts.THREAD_FORGOTTEN))
    assert not redis.exists(keys.thread_cache(TEAM, GENERAL, root))
    ts = ask_in_general(workspace, "@StarChat and in Rust?", root)

    assert [text for _, text in job_turns(redis, GENERAL, ts)] == [
        "what is a mutex?",
        "and in Rust?",
    ]


def test_user_quota_is_refused_to_its_user_alone(workspace: Workspace, redis: Redis) -> None:
    """The ninth waiting question is refused; another user's is enqueued."""
    since = len(workspace.api_calls())
    for number in range(8):
        ask_in_general(workspace, f"@StarChat question {number}")
    ninth = ask_in_general(workspace, "@StarChat one more")
    other = ask_in_general(workspace, "@StarChat hello", user=LIN, channel=PYTHON)

    poll_until(
        lambda: any(
            call["args"]["text"].startswith("You have 8 questions waiting")
            for call in workspace.api_calls(since, "chat.postEphemeral")
        ),
        description="the refusal",
    )
    assert find_job(redis, GENERAL, ninth) is None
    assert find_job(redis, PYTHON, other) is not None


def test_question_without_worker_has_a_placeholder(
    workspace: Workspace, redis: Redis, bot: Process
) -> None:
    """One placeholder is posted, and its `ts` is recorded on the job."""
    ts = ask_in_general(workspace, "@StarChat hi")
    placeholder = poll_until(
        lambda: workspace.bot_replies(GENERAL, ts), description="the placeholder"
    )[0]

    assert "No worker is running" in placeholder["text"]
    key = f"rq:job:{job_id(TEAM, GENERAL, ts)}"
    poll_until(lambda: redis.hget(key, keys.PLACEHOLDER) == placeholder["ts"].encode())
    assert str(redis.hget(key, keys.PLACEHOLDER_OWNER)).startswith("b'bot:")
    assert placeholder["metadata"]["event_payload"] == {
        "job": job_id(TEAM, GENERAL, ts),
        "part": 1,
        "question": ts,
        "state": "placeholder",
    }


def test_log_has_no_text_of_people(workspace: Workspace, bot: Process) -> None:
    """Logs hold ids, lengths and seconds, but no texts, names or tokens."""
    ask_in_general(workspace, "@StarChat my secret is hunter2")

    assert "question received" in bot.log_text
    for word in ("hunter2", "Ada", "xoxb-", "xapp-"):
        assert word not in bot.log_text
