"""Steps of tests that edit questions: ask, edit, answer, and press the button."""

from typing import Any

from redis import Redis
from slack_sdk import WebClient

from bot.messages.block_actions import ANSWER_AGAIN_ACTION_ID
from contract import keys
from contract.job import job_id
from testing.polling import poll_until
from testing.queue_inspector import (
    TEAM,
    find_job,
    finish_job,
)
from testing.workspace import ADA, BOT_TOKEN, GENERAL, Workspace

Json = dict[str, Any]


def ask_as_ada(workspace: Workspace, redis: Redis, text: str, thread: str | None = None) -> str:
    """Ask as Ada and wait until the question is taken in; returns its `ts`."""
    ts = workspace.post_message(ADA, GENERAL, text, thread)
    poll_until(lambda: find_job(redis, GENERAL, ts), description="the job")
    poll_until(
        lambda: all(e["acked_at"] for e in workspace.delivery_attempts(ts)),
        description="acknowledgements",
    )
    return ts


def edit_as_ada(workspace: Workspace, ts: str, text: str) -> None:
    """Edit as Ada and wait until the bot has dealt with it."""
    before = len(list_acknowledgements(workspace))
    workspace.edit_message(ADA, GENERAL, ts, text)
    # Earlier events may never be acknowledged: another bot may have stopped during them.
    poll_until(
        lambda: (since := list_acknowledgements(workspace)[before:]) and all(since),
        description="the edit",
    )


def find_deliveries(workspace: Workspace, ts: str) -> list[Json]:
    """Return the deliveries that are about a message or its edits."""
    return [e for e in workspace.delivery_attempts() if ts in {e["ts"], e["changed_ts"]}]


def list_acknowledgements(workspace: Workspace) -> list[bool]:
    """Return for each message event whether it was acknowledged."""
    return [
        envelope["acked_at"] is not None
        for envelope in workspace.delivery_attempts()
        if envelope["event_type"] == "message"
    ]


def set_job_fields(redis: Redis, ts: str, **fields: str) -> None:
    """Write on the hash of a question's job."""
    for name, value in fields.items():
        redis.hset(f"rq:job:{job_id(TEAM, GENERAL, ts)}", name, value)


def post_answer(
    workspace: Workspace, redis: Redis, ts: str, *parts: str, thread: str = ""
) -> list[str]:
    """Answer a question in its thread as a worker does; returns the messages."""
    web = WebClient(token=BOT_TOKEN, base_url=workspace.api_url)
    name = job_id(TEAM, GENERAL, ts)
    _remove_placeholder(web, redis, name)
    posted = []
    for number, text in enumerate(parts, 1):
        payload = {"job": name, "part": number, "question": ts, "state": "final"}
        words = {"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}
        said = web.chat_postMessage(
            channel=GENERAL,
            text=text,
            thread_ts=thread or ts,
            blocks=[{"type": "rich_text", "elements": [words]}],
            metadata={"event_type": keys.METADATA_EVENT_TYPE, "event_payload": payload},
        )
        posted.append(str(said["ts"]))
    finish_job(redis, name)
    redis.lrem("rq:queue:starchat", 0, name)
    set_job_fields(redis, ts, status="finished", **{keys.PLACEHOLDER: posted[0]})
    return posted


def _remove_placeholder(web: WebClient, redis: Redis, job: str) -> None:
    """
    Keep the bot from posting a placeholder, or delete the one that it posts.

    On a busy machine the bot has one by now, since it sees that no worker runs.
    """
    key = f"rq:job:{job}"
    if redis.hsetnx(key, keys.PLACEHOLDER_OWNER, "worker:test"):
        return
    owner: Any = redis.hget(key, keys.PLACEHOLDER_OWNER)
    if owner.startswith(b"bot:") and owner != keys.BOT_AGAIN.encode():
        placeholder: Any = poll_until(
            lambda: redis.hget(key, keys.PLACEHOLDER), description="the placeholder"
        )
        web.chat_delete(channel=GENERAL, ts=placeholder.decode())


def find_offers(workspace: Workspace, thread: str, user: str = ADA) -> list[Json]:
    """Return the messages with the button *Answer again* that a person sees in a thread."""
    return [
        message
        for message in workspace.read_messages(GENERAL, thread, user)
        if ANSWER_AGAIN_ACTION_ID in str(message.get("blocks"))
    ]


def press_offer(workspace: Workspace, offer: Json) -> None:
    """Press the button of an offer as Ada."""
    wish = {"user": ADA, "channel": GENERAL, "ts": offer["ts"], "action_id": ANSWER_AGAIN_ACTION_ID}
    workspace.post_json("_page/click", wish)
