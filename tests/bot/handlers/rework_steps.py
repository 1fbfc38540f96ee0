"""Steps of tests that press the buttons of a finished reply."""

from redis import Redis
from slack_sdk import WebClient

from contract import keys
from contract.answers import Answer, previous_field
from contract.job import Job
from contract.language import Language
from contract.reply_controls import (
    REWORK_ACTION_IDS,
    ReplyAddress,
    ReplyVersions,
    build_controls,
    build_pointer_controls,
    build_rework_button,
)
from contract.reply_details import ReplyDetails
from contract.reply_files import FILES_FIELD, join_file_ids
from contract.rework import ReworkKind
from testing.earlier_answers import EARLIER
from testing.polling import poll_until
from testing.queue_inspector import TEAM, find_job
from testing.workspace import ADA, GENERAL, Workspace, message_texts
from tests.bot.handlers.edit_steps import ask_as_ada, post_answer

REPLY_ID = "0a0b0c"


def store_answers(redis: Redis, ts: str, present: Answer, previous: Answer | None = None) -> None:
    """Store the versions of a reply, as a worker does."""
    key = keys.answer_cache(TEAM, GENERAL, ts)
    redis.hset(key, ts, present.model_dump_json())
    if previous is not None:
        redis.hset(key, previous_field(ts), previous.model_dump_json())


def add_controls(workspace: Workspace, web: WebClient, ts: str, reply: str, asker: str) -> None:
    """Give a reply the controls, as a worker does."""
    [message] = [m for m in workspace.bot_replies(GENERAL, ts) if m["ts"] == reply]
    address = ReplyAddress(thread_ts=ts, ts=ts, asker=asker)
    # Whether a person sees a button is left to another test: here, all do.
    details = ReplyDetails(reply_id=REPLY_ID, seed=41)
    versions = ReplyVersions(is_cut=True, has_previous=True, has_others=True, is_covered=True)
    controls = build_controls(
        address, details, versions, is_direct=True, has_code=True, language=Language.ENGLISH
    )
    anyway = build_rework_button(ReworkKind.ANYWAY, address, REPLY_ID, Language.ENGLISH)
    web.chat_update(
        channel=GENERAL,
        ts=reply,
        text=message["text"],
        blocks=[*message["blocks"], *controls, {"type": "actions", "elements": [anyway]}],
        metadata=message["metadata"],
    )


def share_file(workspace: Workspace, web: WebClient, thread: str) -> tuple[str, str]:
    """Share a file in a thread as a worker does; return its id, and the `ts` of its message."""
    shared = web.files_upload_v2(
        channel=GENERAL, thread_ts=thread, content="x = 1\n", filename="reply.py"
    )
    file = str(shared["files"][0]["id"])
    return file, poll_until(
        lambda: next(
            (
                str(message["ts"])
                for message in workspace.bot_replies(GENERAL, thread)
                if any(one["id"] == file for one in message.get("files", []))
            ),
            None,
        ),
        description="the file",
    )


def name_files(workspace: Workspace, web: WebClient, thread: str, reply: str, *files: str) -> None:
    """Let the first message of a reply name its files, as a worker does."""
    [message] = [m for m in workspace.bot_replies(GENERAL, thread) if m["ts"] == reply]
    payload = message["metadata"]["event_payload"] | {FILES_FIELD: join_file_ids(files)}
    web.chat_update(
        channel=GENERAL,
        ts=reply,
        text=message["text"],
        blocks=message["blocks"],
        metadata=message["metadata"] | {"event_payload": payload},
    )


def point_to_earlier(workspace: Workspace, redis: Redis, web: WebClient, ts: str) -> str:
    """Let the reply to Ada's question point to an earlier answer; return its `ts`."""
    [reply] = post_answer(workspace, redis, ts, "Lin asked much the same")
    [message] = [m for m in workspace.bot_replies(GENERAL, ts) if m["ts"] == reply]
    address = ReplyAddress(thread_ts=ts, ts=ts, asker=ADA)
    controls = build_pointer_controls(address, REPLY_ID, language=Language.ENGLISH, is_direct=False)
    payload = message["metadata"]["event_payload"] | {"state": "pointer"}
    web.chat_update(
        channel=GENERAL,
        ts=reply,
        text=message["text"],
        blocks=[*message["blocks"], *controls],
        metadata=message["metadata"] | {"event_payload": payload},
    )
    store_answers(redis, ts, Answer(text="", reply_id=REPLY_ID, earlier_answer=EARLIER))
    return reply


def finish_reply(
    workspace: Workspace, redis: Redis, web: WebClient, *parts: str
) -> tuple[str, list[str]]:
    """Ask and answer a question; return its `ts`, and those of the reply with its controls."""
    ts = ask_as_ada(workspace, redis, "@StarChat sort a list")
    reply = post_answer(workspace, redis, ts, *(parts or ("An answer",)))
    for message in workspace.bot_replies(GENERAL, ts):
        # On a busy machine, the bot has told before that the question waits.
        if message["ts"] not in reply:
            web.chat_delete(channel=GENERAL, ts=message["ts"])
    store_answers(redis, ts, Answer(text="An answer", reply_id=REPLY_ID))
    add_controls(workspace, web, ts, reply[0], ADA)
    return ts, reply


def press_control(
    workspace: Workspace, reply: str, kind: ReworkKind, user: str = ADA, value: str | None = None
) -> None:
    """Press a button below a reply, with a forged `value` if one is given."""
    click = {"user": user, "channel": GENERAL, "ts": reply, "action_id": REWORK_ACTION_IDS[kind]}
    workspace.post_json("_page/click", click | ({"value": value} if value else {}))


def wait_for_rework(redis: Redis, ts: str) -> Job:
    """Wait until the job of a press is filled in."""

    def find_rework() -> Job | None:
        job = find_job(redis, GENERAL, ts)
        return job if job is not None and job.rework is not None else None

    return poll_until(find_rework, description="the job")


def wait_for_word(workspace: Workspace, thread: str, words: str, user: str = ADA) -> None:
    """Wait until a person reads these words in a thread."""
    poll_until(
        lambda: any(
            words in text for text in message_texts(workspace.read_messages(GENERAL, thread, user))
        ),
        description=words,
    )
