"""Private questions: `/starchat ask` answers in a direct message, and the person may share that."""

import contextlib
from dataclasses import dataclass

import pytest
from redis import Redis

from bot.messages.asks import texts
from bot.rules import texts as rule_texts
from contract import keys
from contract.answers import Answer
from contract.job import Job, job_id
from testing.polling import poll_until
from testing.queue_inspector import TEAM, find_job, finish_job, pending_job_ids
from testing.workspace import (
    ADA,
    GENERAL,
    LIN,
    STARCHAT,
    Json,
    RefusedError,
    Workspace,
    message_texts,
)
from tests.bot.handlers.ask_steps import close_channel, list_modals, wait_until_settled

pytestmark = pytest.mark.usefixtures("bot")
ANSWER = Answer(text="```x```", reply_id="0a", facts="{}", details="{}", token_ids=(1, 2))


def list_asked(workspace: Workspace, channel: str, user: str = ADA) -> list[Json]:
    """Return the questions that the bot has posted as roots of a channel."""
    return [
        message
        for message in workspace.read_messages(channel, user=user)
        if any(b.get("block_id", "").startswith("asked ") for b in message.get("blocks") or ())
    ]


def ask_privately(
    workspace: Workspace, redis: Redis, question: str, channel: str = GENERAL
) -> tuple[str, Json, Job]:
    """Ask by the command; return the direct message, the posted question and its job."""
    direct = workspace.open_dm(ADA, STARCHAT)
    before = {message["ts"] for message in list_asked(workspace, direct)}
    workspace.post_message(ADA, channel, f"/starchat ask {question}")
    [asked] = poll_until(
        lambda: [m for m in list_asked(workspace, direct) if m["ts"] not in before],
        description="the question",
    )
    marker = keys.idempotency_key(TEAM, direct, asked["ts"])
    poll_until(lambda: redis.exists(marker), description="its acceptance")
    job = find_job(redis, direct, asked["ts"])
    assert job is not None
    return direct, asked, job


@dataclass
class Scene:
    """An answered private question of Ada's."""

    workspace: Workspace
    redis: Redis
    direct: str
    ts: str

    def press_share(self, value: str = GENERAL) -> None:
        """Press *Share in channel*, with a forged value if one is given."""
        press = {"user": ADA, "channel": self.direct, "ts": self.ts, "action_id": "share_answer"}
        self.workspace.post_json("_page/click", press | {"value": value})

    def read_refusal(self) -> str:
        """Wait for the modal with a refusal, close it and return its words."""
        [modal] = poll_until(lambda: list_modals(self.workspace)[-1:], description="a modal")
        for view in list_modals(self.workspace):
            self.workspace.post_json("_page/close", {"user": ADA, "view_id": view["id"]})
        return str(modal["blocks"])

    def find_shared(self) -> list[Json]:
        """Return what was shared in #general, as Lin sees it."""
        return list_asked(self.workspace, GENERAL, LIN)


@pytest.fixture
def scene(workspace: Workspace, redis: Redis) -> Scene:
    """A question whose answer is stored, as a worker does."""
    direct, asked, job = ask_privately(workspace, redis, "Why?")
    finish_job(redis, job.id)
    key = keys.answer_cache(TEAM, direct, asked["ts"])
    redis.hset(key, asked["ts"], ANSWER.model_dump_json())
    for message in list_asked(workspace, GENERAL):
        workspace.send_control("delete", channel=GENERAL, ts=message["ts"])
    return Scene(workspace, redis, direct, asked["ts"])


def test_private_question_becomes_one_job_of_the_direct_message(
    workspace: Workspace, redis: Redis
) -> None:
    """Only the person reads where the answer comes; nothing of it is in the channel."""
    direct, asked, job = ask_privately(workspace, redis, "Is `a < b && c` *valid*? <@U0LIN00001>")
    wait_until_settled(redis)

    assert (job.user, job.thread.channel, job.thread.ts) == (ADA, direct, asked["ts"])
    assert [turn.text for turn in job.turns] == ["Is `a < b && c` *valid*? <@U0LIN00001>"]
    assert str(texts.ASKED_PRIVATELY) in message_texts(workspace.read_messages(GENERAL))
    assert not [t for t in message_texts(workspace.read_messages(GENERAL, user=LIN)) if "&&" in t]
    assert pending_job_ids(redis) == [job.id]
    elements = asked["blocks"][0]["elements"][0]["elements"]
    shown = [e.get("text") or e.get("channel_id") for e in elements]
    assert shown == ["You asked in ", GENERAL, ":"]


def test_command_without_a_question_says_so(workspace: Workspace, redis: Redis) -> None:
    """An empty one and one that is too long ask nothing; a word of a command is a question."""
    workspace.post_message(ADA, GENERAL, "/starchat ask")
    workspace.post_message(ADA, GENERAL, f"/starchat ask {'x' * 3_001}")
    shown = message_texts(workspace.read_messages(GENERAL))[-2:]

    assert shown == [str(texts.NO_PRIVATE_QUESTION), str(texts.QUESTION_TOO_LONG)]
    _, _, job = ask_privately(workspace, redis, "stop")
    assert job.question.text == "stop"


def test_question_of_a_direct_message_has_no_button(workspace: Workspace, redis: Redis) -> None:
    """There is no channel to share it in."""
    direct = workspace.open_dm(ADA, STARCHAT)
    _, asked, _ = ask_privately(workspace, redis, "Why?", direct)

    assert [block["type"] for block in asked["blocks"]] == ["rich_text"]


def test_missing_permission_is_told(workspace: Workspace, redis: Redis) -> None:
    """Without `im:write` the person learns what to do."""
    workspace.send_control("app", without_scopes=["im:write"])
    workspace.post_message(ADA, GENERAL, "/starchat ask why?")
    workspace.send_control("app", with_scopes=["im:write"])
    shown = message_texts(workspace.read_messages(GENERAL))[-1]

    assert shown == str(texts.DIRECT_MESSAGE_FORBIDDEN)
    assert not redis.exists(keys.ask_schedule(TEAM))


def test_answer_is_shared_once(scene: Scene) -> None:
    """A double click posts one question, whose job has the answer; the button says where."""
    assert scene.find_shared() == []
    scene.press_share()
    with contextlib.suppress(RefusedError):
        # The button may be gone already.
        scene.press_share()
    wait_until_settled(scene.redis)
    [shared] = scene.find_shared()
    job = find_job(scene.redis, GENERAL, shared["ts"])

    assert job is not None
    assert (job.user, job.question.text) == (ADA, "Why?")
    stored = scene.redis.hgetall(f"rq:job:{job_id(TEAM, GENERAL, shared['ts'])}")
    assert stored[keys.ANSWER.encode()] == ANSWER.text.encode()
    assert stored[keys.ANSWER_FACTS.encode()] == stored[keys.ANSWER_DETAILS.encode()] == b"{}"
    kept = Answer.from_json(stored[keys.ANSWER_IDS.encode()])
    assert kept is not None
    assert kept.token_ids == ANSWER.token_ids
    [root] = [m for m in list_asked(scene.workspace, scene.direct) if m["ts"] == scene.ts]
    assert [block["type"] for block in root["blocks"]] == ["rich_text", "context"]
    assert root["blocks"][1]["elements"][0]["text"] == f"Shared in <#{GENERAL}>."


def test_share_is_refused_where_the_person_is_not(scene: Scene) -> None:
    """The button's value says only where to look: person and bot must be there."""
    foreign = scene.workspace.send_control("create", name="foreign", members=[LIN, STARCHAT])
    scene.press_share(foreign["channel"])
    assert str(texts.ASKER_NOT_IN_CHANNEL) in scene.read_refusal()
    away = scene.workspace.send_control("create", name="gone", members=[ADA])
    scene.press_share(away["channel"])

    assert str(texts.NOT_IN_CHANNEL) in scene.read_refusal()
    assert list_asked(scene.workspace, foreign["channel"], LIN) == []


def test_share_follows_the_rules_of_the_channel(scene: Scene) -> None:
    """Where no one may ask, nothing is shared; it can be tried again."""
    with close_channel(scene.workspace, scene.redis):
        scene.press_share()
    assert str(rule_texts.CHANNEL_CLOSED) in scene.read_refusal()
    assert scene.find_shared() == []

    scene.press_share()
    poll_until(scene.find_shared, description="the shared question")


def test_answer_that_is_not_there_is_not_shared(scene: Scene) -> None:
    """While it is generated, and after its retention, the person reads why."""
    key = keys.answer_cache(TEAM, scene.direct, scene.ts)
    scene.redis.delete(key)
    scene.press_share()
    assert str(texts.ANSWER_NOT_KEPT) in scene.read_refusal()

    direct, asked, _ = ask_privately(scene.workspace, scene.redis, "And why?")
    Scene(scene.workspace, scene.redis, direct, asked["ts"]).press_share()
    assert str(texts.ANSWER_NOT_READY) in scene.read_refusal()
