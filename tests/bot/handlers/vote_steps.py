"""Steps of tests of votes: a reply with its controls, presses, and what the database holds."""

import json
import urllib.request
from typing import Any

from redis import Redis
from slack_sdk import WebClient

from bot.records.database import Records
from bot.records.export import export_votes
from testing.polling import poll_until
from testing.workspace import ADA, GENERAL, LIN, Workspace, message_texts
from tests.bot.handlers.edit_steps import ask_as_ada, post_answer
from tests.bot.handlers.rework_steps import REPLY_ID, add_controls

Json = dict[str, Any]


def post_reply(
    workspace: Workspace, redis: Redis, web: WebClient, text: str = "@StarChat sort a list"
) -> tuple[str, str]:
    """Answer a question of Ada's with controls; return question and reply."""
    ts = ask_as_ada(workspace, redis, text)
    [reply] = post_answer(workspace, redis, ts, "sorted(names)")
    add_controls(workspace, web, ts, reply, ADA)
    return ts, reply


def press_vote(workspace: Workspace, question: str, reply: str, mark: str, user: str = LIN) -> None:
    """Press 👍 (`up`), 👎 (`down`) or *It ran* (`ran`)."""
    action = "code_ran" if mark == "ran" else "vote_reply"
    click = {"user": user, "channel": GENERAL, "ts": reply, "action_id": action}
    value = f"{mark} {question} {question} {ADA} {REPLY_ID}"
    workspace.post_json("_page/click", click | {"value": value})


def list_votes(records: Records, reply: str) -> list[tuple[str, str | None, str | None, bool]]:
    """Return the votes on a reply: user, opinion, reason, ran."""
    lines = (json.loads(line) for line in export_votes(records, "0"))
    votes = [vote for line in lines if line["message_ts"] == reply for vote in line["votes"]]
    return sorted((v["user"], v["opinion"], v["reason"], v["ran"]) for v in votes)


def wait_for_votes(
    records: Records, reply: str, *expected: tuple[str, str | None, str | None, bool]
) -> None:
    """Wait until these are the votes on a reply."""
    poll_until(
        lambda: list_votes(records, reply) == sorted(expected),
        timeout=60,
        description=f"the votes {expected}",
    )


def wait_for_modal(workspace: Workspace, user: str) -> Json:
    """Wait until a person has a modal open, and return it."""

    def list_modals() -> list[Json]:
        address = f"{workspace.url}/_page/views?user={user}"
        with urllib.request.urlopen(address) as answer:  # noqa: S310
            found: list[Json] = json.load(answer)["modals"]
            return found

    return poll_until(list_modals, description="the modal")[-1]


def submit_reason(workspace: Workspace, user: str, modal: Json, reason: str) -> None:
    """Choose a reason and send it."""
    values = {"reason": {"choice": reason}}
    workspace.post_json("_page/submit", {"user": user, "view_id": modal["id"], "values": values})


def wait_for_word(workspace: Workspace, question: str, user: str, text: str) -> None:
    """Wait until a person sees a text in a thread."""
    poll_until(
        lambda: text in message_texts(workspace.read_messages(GENERAL, question, user)),
        timeout=60,
        description=text,
    )


def read_blocks(workspace: Workspace, question: str, reply: str) -> list[Json]:
    """Return the blocks of a reply."""
    [message] = [m for m in workspace.bot_replies(GENERAL, question) if m["ts"] == reply]
    blocks: list[Json] = message["blocks"]
    return blocks
