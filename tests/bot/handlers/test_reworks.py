"""Reworks: presses of *Regenerate*, *Previous* and *Continue* become jobs, once, or a word."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot import texts
from bot.store.client import decode_reply
from contract import keys
from contract.answers import Answer
from contract.job import job_id
from contract.rework import ReworkKind
from contract.surplus import Surplus
from testing.earlier_answers import EARLIER
from testing.polling import poll_until
from testing.queue_inspector import TEAM, pending_job_ids
from testing.workspace import ADA, BOT_TOKEN, GENERAL, LIN, Workspace
from tests.bot.handlers.edit_steps import ask_as_ada
from tests.bot.handlers.rework_steps import (
    REPLY_ID,
    add_controls,
    finish_reply,
    point_to_earlier,
    press_control,
    store_answers,
    wait_for_rework,
    wait_for_word,
)

pytestmark = pytest.mark.usefixtures("bot")


@dataclass
class Scene:
    """A finished reply with its controls."""

    workspace: Workspace
    redis: Redis
    web: WebClient
    ts: str
    parts: list[str]

    @property
    def key(self) -> str:
        """Key of the job's hash."""
        return f"rq:job:{job_id(TEAM, GENERAL, self.ts)}"


@pytest.fixture
def scene(workspace: Workspace, redis: Redis, web: WebClient) -> Scene:
    """A reply of two messages to Ada's question."""
    ts, parts = finish_reply(workspace, redis, web, "Part one", "Part two")
    return Scene(workspace, redis, web, ts, parts)


def test_press_becomes_one_job_and_the_reply_stays(scene: Scene) -> None:
    """A double click is one job; Redis needs no copy of the thread, and no former job."""
    shared = WebClient(token=BOT_TOKEN, base_url=scene.workspace.api_url).files_upload_v2(
        channel=GENERAL, thread_ts=scene.ts, content="x = 1\n", filename="reply.py"
    )
    poll_until(lambda: any(m.get("files") for m in scene.workspace.bot_replies(GENERAL, scene.ts)))
    scene.redis.delete(scene.key, keys.thread_cache(TEAM, GENERAL, scene.ts))
    before = scene.workspace.bot_replies(GENERAL, scene.ts)
    press_control(scene.workspace, scene.parts[0], ReworkKind.REGENERATE)
    press_control(scene.workspace, scene.parts[0], ReworkKind.REGENERATE)
    job = wait_for_rework(scene.redis, scene.ts)

    assert job.rework is not None
    assert (job.rework.kind, job.rework.reply_id) == (ReworkKind.REGENERATE, REPLY_ID)
    assert [turn.text for turn in job.turns] == ["sort a list"]
    assert job.user == ADA
    assert pending_job_ids(scene.redis) == [job.id]
    found = scene.redis.hmget(scene.key, [keys.PLACEHOLDER, keys.PLACEHOLDER_OWNER])
    assert found == [scene.parts[0].encode(), keys.BOT_AGAIN.encode()]
    surplus = Surplus.from_json(decode_reply(scene.redis.hget(scene.key, keys.SURPLUS) or ""))
    assert surplus.messages == tuple(m["ts"] for m in before[1:])
    assert surplus.files == (shared["files"][0]["id"],)
    assert scene.workspace.bot_replies(GENERAL, scene.ts) == before


def forget_reply(scene: Scene) -> None:
    """Redis no longer keeps the reply."""
    scene.redis.delete(keys.answer_cache(TEAM, GENERAL, scene.ts))


def change_reply(scene: Scene) -> None:
    """Another version of the reply is there."""
    store_answers(scene.redis, scene.ts, Answer(text="Another", reply_id="ff"))


def become_pointer(scene: Scene) -> None:
    """The reply points to an earlier answer: no text can be generated once more."""
    pointer = Answer(text="", reply_id=REPLY_ID, earlier_answer=EARLIER)
    store_answers(scene.redis, scene.ts, pointer)


def ask_again(scene: Scene) -> None:
    """A later question of the thread waits."""
    ask_as_ada(scene.workspace, scene.redis, "@StarChat and in place?", scene.ts)


def answer_later(scene: Scene) -> None:
    """A later question of the thread has its reply."""
    payload = {"job": "x", "part": 1, "question": f"{float(scene.ts) + 1:.6f}", "state": "final"}
    words = {"type": "rich_text_section", "elements": [{"type": "text", "text": "Later"}]}
    scene.web.chat_postMessage(
        channel=GENERAL,
        thread_ts=scene.ts,
        text="Later",
        blocks=[{"type": "rich_text", "elements": [words]}],
        metadata={"event_type": keys.METADATA_EVENT_TYPE, "event_payload": payload},
    )
    scene.redis.delete(keys.thread_cache(TEAM, GENERAL, scene.ts))


def delete_question(scene: Scene) -> None:
    """The question is gone, and its event was lost."""
    scene.workspace.delete_message(ADA, GENERAL, scene.ts)
    poll_until(lambda: not scene.redis.exists(keys.answer_cache(TEAM, GENERAL, scene.ts)))
    # Else the rest of the deletion may withdraw the press that comes next.
    scene.workspace.wait_for_acks(scene.ts)
    store_answers(scene.redis, scene.ts, Answer(text="An answer", reply_id=REPLY_ID))


def fill_queue(scene: Scene) -> None:
    """The asker has as many waiting questions as one person may have."""
    for number in range(8):
        ask_as_ada(scene.workspace, scene.redis, f"@StarChat question {number}")


def test_covered_reply_can_be_shown_after_later_turns(scene: Scene) -> None:
    """The model wrote it before them."""
    answer_later(scene)
    own = job_id(TEAM, GENERAL, scene.ts)
    press_control(scene.workspace, scene.parts[0], ReworkKind.SHOW)
    poll_until(
        lambda: scene.redis.hget(f"rq:job:{own}", keys.REWORK) == b"show", description="the job"
    )


def test_colleague_has_a_question_answered_anyway(
    workspace: Workspace, redis: Redis, web: WebClient
) -> None:
    """
    Several presses are one job for the person who asked, also after a later turn.

    The first presser's quota counts it. The person who asked can still stop it.
    """
    ts = ask_as_ada(workspace, redis, "@StarChat sort a list")
    reply = point_to_earlier(workspace, redis, web, ts)
    answer_later(Scene(workspace, redis, web, ts, [reply]))
    for user in (LIN, LIN, ADA):
        press_control(workspace, reply, ReworkKind.ANYWAY, user)
    job = wait_for_rework(redis, ts)

    assert job.rework is not None
    assert (job.rework.kind, job.rework.reply_id) == (ReworkKind.ANYWAY, REPLY_ID)
    assert (job.user, job.user_team, job.earlier_answer) == (ADA, TEAM, None)
    assert job.charged_user == LIN
    assert redis.smembers(f"{keys.user_quota(TEAM, LIN)}:pending") == {job.id.encode()}
    assert not redis.exists(f"{keys.user_quota(TEAM, ADA)}:pending")
    assert [turn.text for turn in job.turns] == ["sort a list"]
    assert pending_job_ids(redis) == [job.id]
    assert redis.hget(f"rq:job:{job.id}", keys.PLACEHOLDER) == reply.encode()
    workspace.post_message(ADA, GENERAL, "@StarChat stop", ts)
    poll_until(lambda: not pending_job_ids(redis), description="the end of the job")


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (forget_reply, ReworkKind.REGENERATE, str(texts.REPLY_NOT_KEPT)),
        (change_reply, ReworkKind.REGENERATE, str(texts.REPLY_CHANGED)),
        (ask_again, ReworkKind.REGENERATE, str(texts.LATER_TURN)),
        (answer_later, ReworkKind.CONTINUE, str(texts.REPLY_NOT_CUT)),
        (answer_later, ReworkKind.REGENERATE, str(texts.LATER_TURN)),
        (delete_question, ReworkKind.REGENERATE, str(texts.QUESTION_NOT_FOUND)),
        (fill_queue, ReworkKind.REGENERATE, "You have 8 questions waiting"),
        (lambda _: None, ReworkKind.PREVIOUS, str(texts.PREVIOUS_NOT_KEPT)),
        (lambda _: None, ReworkKind.ANOTHER, str(texts.OTHERS_NOT_KEPT)),
        (lambda _: None, ReworkKind.ANYWAY, str(texts.REPLY_CHANGED)),
        (become_pointer, ReworkKind.REGENERATE, str(texts.REPLY_CHANGED)),
    ],
)
def test_press_that_can_do_nothing_gets_a_word(
    scene: Scene, change: Callable[[Scene], None], kind: ReworkKind, words: str
) -> None:
    """The reply stays untouched, and no job is left."""
    change(scene)
    press_control(scene.workspace, scene.parts[0], kind)
    wait_for_word(scene.workspace, scene.ts, words)

    own = job_id(TEAM, GENERAL, scene.ts)
    poll_until(lambda: own not in pending_job_ids(scene.redis), description="the end")
    shown = {m["ts"] for m in scene.workspace.bot_replies(GENERAL, scene.ts)}
    assert shown.issuperset(scene.parts)


def test_reply_without_its_first_message_is_deleted(scene: Scene) -> None:
    """A word says so; the rest stays."""
    add_controls(scene.workspace, scene.web, scene.ts, scene.parts[1], ADA)
    scene.web.chat_delete(channel=GENERAL, ts=scene.parts[0])
    press_control(scene.workspace, scene.parts[1], ReworkKind.REGENERATE)
    wait_for_word(scene.workspace, scene.ts, str(texts.REPLY_DELETED))
    assert scene.parts[1] in {m["ts"] for m in scene.workspace.bot_replies(GENERAL, scene.ts)}


def test_others_cannot_press(scene: Scene) -> None:
    """They read who can; a forged value is refused too."""
    press_control(scene.workspace, scene.parts[0], ReworkKind.REGENERATE, LIN)
    wait_for_word(scene.workspace, scene.ts, str(texts.CONTROL_REFUSED), LIN)
    forged = f"{scene.ts} {scene.ts} {ADA} <!channel>"
    press_control(scene.workspace, scene.parts[0], ReworkKind.REGENERATE, ADA, forged)
    wait_for_word(scene.workspace, scene.ts, str(texts.CONTROL_UNREADABLE))
    assert pending_job_ids(scene.redis) == []


def test_deleted_question_leaves_the_reply_of_a_waiting_rework(scene: Scene) -> None:
    """No worker has begun: the reply is as old as before."""
    press_control(scene.workspace, scene.parts[0], ReworkKind.REGENERATE)
    wait_for_rework(scene.redis, scene.ts)
    scene.workspace.delete_message(ADA, GENERAL, scene.ts)
    poll_until(lambda: not pending_job_ids(scene.redis), description="the end of the job")
    shown = [m["ts"] for m in scene.workspace.bot_replies(GENERAL, scene.ts)]
    assert shown == scene.parts
    assert not scene.redis.exists(keys.answer_cache(TEAM, GENERAL, scene.ts))
