"""Votes on replies: by buttons and by reactions, with a reason, and in the line below a reply."""

import json
from collections.abc import Iterator

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot import texts
from bot.handlers.votes.vote_texts import VoteTexts
from bot.messages.votes.entries import CastVote
from bot.messages.votes.presses import Mark, Press, PressKind
from bot.records.database import Records
from bot.records.export import export_votes
from bot.store.stored_answers import StoredAnswers
from bot.store.thread_cache import ThreadCache
from contract import keys
from contract.answers import Answer
from contract.job import Thread
from testing.polling import poll_until
from testing.processes import Process
from testing.queue_inspector import TEAM
from testing.slack_events import BOT_IDENTITY
from testing.workspace import ADA, GENERAL, LIN, SAM, Workspace
from tests.bot.handlers.edit_steps import ask_as_ada, post_answer
from tests.bot.handlers.rework_steps import (
    REPLY_ID,
    name_files,
    point_to_earlier,
    share_file,
    store_answers,
)
from tests.bot.handlers.vote_steps import (
    list_votes,
    post_reply,
    press_vote,
    read_blocks,
    submit_reason,
    wait_for_modal,
    wait_for_votes,
    wait_for_word,
)


@pytest.fixture
def stored(bot: Process, workspace: Workspace) -> Iterator[Records]:
    """Open the database of the module's bot."""
    records = Records(workspace.database_url)
    yield records
    records.close_database()


def test_vote_is_stored_without_text(
    workspace: Workspace, redis: Redis, web: WebClient, stored: Records
) -> None:
    """With the facts that the message carries. A double click is one vote."""
    ts, reply = post_reply(workspace, redis, web)
    for _ in range(2):
        press_vote(workspace, ts, reply, "up")
    wait_for_votes(stored, reply, (LIN, "up", None, False))
    line = next(
        found for found in map(json.loads, export_votes(stored, "0")) if reply in found.values()
    )

    assert (line["sampling"]["seed"], line["version"], line["thread_ts"]) == (41, REPLY_ID, ts)
    assert line["conversation"] is line["reply"] is None
    poll_until(lambda: not redis.exists(keys.vote_outbox(TEAM)), description="an empty outbox")


def test_thumbs_down_asks_for_the_reason(
    workspace: Workspace, redis: Redis, web: WebClient, stored: Records
) -> None:
    """The vote is stored before the form is answered, and the form twice is one reason."""
    ts, reply = post_reply(workspace, redis, web)
    press_vote(workspace, ts, reply, "down")
    modal = wait_for_modal(workspace, LIN)
    wait_for_votes(stored, reply, (LIN, "down", None, False))
    submit_reason(workspace, LIN, modal, "invented")

    wait_for_votes(stored, reply, (LIN, "down", "invented", False))


def test_line_says_for_whom_the_code_ran(
    workspace: Workspace, redis: Redis, web: WebClient, stored: Records
) -> None:
    """Two people at once; the other blocks stay as they are. A late second press withdraws."""
    ts, reply = post_reply(workspace, redis, web)
    before = read_blocks(workspace, ts, reply)
    press_vote(workspace, ts, reply, "ran", LIN)
    press_vote(workspace, ts, reply, "ran", SAM)

    def find_line() -> list[str]:
        blocks = read_blocks(workspace, ts, reply)
        found = [block for block in blocks if block not in before]
        assert [block for block in blocks if block in before] == before
        return [element["text"] for block in found for element in block["elements"]]

    poll_until(lambda: find_line() == ["✓ ran for Lin (2)"], timeout=60, description="the line")
    assert read_blocks(workspace, ts, reply)[-2:] == before[-2:]
    # Slack's time of the second press is beyond that of a double click.
    vote = CastVote(
        channel=GENERAL,
        thread_ts=ts,
        message_ts=reply,
        version=REPLY_ID,
        user=SAM,
        press=Press(ts="9999999999.000000", kind=PressKind.TOGGLE, mark=Mark.RAN),
        queued_at=0,
    )
    redis.rpush(keys.vote_outbox(TEAM), vote.model_dump_json())
    wait_for_votes(stored, reply, (LIN, None, None, True))
    wait_for_word(workspace, ts, SAM, str(texts.VOTE_WITHDRAWN))
    poll_until(lambda: find_line() == ["✓ ran for Lin"], timeout=60, description="the line")
    poll_until(lambda: not redis.exists(keys.ran_line_schedule(TEAM)), description="the end")


def test_reactions_count_as_buttons(
    workspace: Workspace, redis: Redis, web: WebClient, stored: Records
) -> None:
    """Added and removed, but not those to a notice, to people or to a pointer."""
    asked = ask_as_ada(workspace, redis, "@StarChat sort a set")
    pointer = point_to_earlier(workspace, redis, web, asked)
    workspace.set_reaction(LIN, GENERAL, pointer, "+1")
    ts, reply = post_reply(workspace, redis, web)
    workspace.set_reaction(LIN, GENERAL, reply, "+1")
    workspace.set_reaction(LIN, GENERAL, ts, "-1")
    workspace.set_reaction(SAM, GENERAL, reply, "-1")
    wait_for_votes(stored, reply, (LIN, "up", None, False), (SAM, "down", None, False))
    workspace.set_reaction(SAM, GENERAL, reply, "-1", remove=True)

    wait_for_votes(stored, reply, (LIN, "up", None, False))
    poll_until(lambda: not redis.exists(keys.vote_outbox(TEAM)), description="all reactions")
    assert list_votes(stored, pointer) == []


def test_reply_with_a_file_has_a_text_if_its_worker_stored_it(
    bot: Process, workspace: Workspace, redis: Redis, web: WebClient
) -> None:
    """Its messages lack the code, so they alone are no text to learn from."""
    ts, reply = post_reply(workspace, redis, web)
    file, _ = share_file(workspace, web, ts)
    name_files(workspace, web, ts, reply, file)
    thread = Thread(team=TEAM, channel=GENERAL, ts=ts)
    answers = StoredAnswers(redis)
    reader = VoteTexts(BOT_IDENTITY, ThreadCache(redis, web, BOT_IDENTITY), answers)
    assert reader.read_texts(thread, ts, REPLY_ID) == (None, None)

    whole = Answer(text="```python\nx = 1\n```", reply_id=REPLY_ID)
    store_answers(redis, ts, whole)
    assert reader.read_texts(thread, ts, REPLY_ID)[1] == whole.text
    assert reader.read_texts(thread, ts, "0d0e0f") == (None, None)
    store_answers(redis, ts, whole.model_copy(update={"is_covered": True}))
    assert reader.read_texts(thread, ts, REPLY_ID) == (None, None)


def test_code_that_was_split_between_messages_is_joined(
    bot: Process, workspace: Workspace, redis: Redis, web: WebClient
) -> None:
    """As in the prompts of later questions."""
    ts = ask_as_ada(workspace, redis, "@StarChat sort a list")
    post_answer(workspace, redis, ts, "```python\nx = 1\n```", "```python\ny = 2\n```")
    thread = Thread(team=TEAM, channel=GENERAL, ts=ts)
    cache = ThreadCache(redis, web, BOT_IDENTITY)
    conversation, reply = VoteTexts(BOT_IDENTITY, cache, StoredAnswers(redis)).read_texts(
        thread, ts, REPLY_ID
    )

    assert reply == "```python\nx = 1\ny = 2\n```"
    assert conversation is not None
    assert json.loads(conversation) == [{"role": "user", "user": "User 1", "text": "sort a list"}]


def test_deletion_of_a_reply_deletes_its_votes(
    workspace: Workspace, redis: Redis, web: WebClient, stored: Records
) -> None:
    """A vote that comes after it is refused with a word, and malformed entries are dropped."""
    ts, reply = post_reply(workspace, redis, web)
    press_vote(workspace, ts, reply, "up")
    wait_for_votes(stored, reply, (LIN, "up", None, False))
    web.chat_delete(channel=GENERAL, ts=reply)
    wait_for_votes(stored, reply)
    poll_until(lambda: not redis.exists(keys.vote_outbox(TEAM)), description="the deletion")
    vote = CastVote(
        channel=GENERAL,
        thread_ts=ts,
        message_ts=reply,
        version=REPLY_ID,
        user=LIN,
        press=Press(ts="10.0", kind=PressKind.TOGGLE, mark=Mark.UP),
        queued_at=0,
    )
    redis.rpush(keys.vote_outbox(TEAM), "poison", b"\xff", vote.model_dump_json())
    wait_for_word(workspace, ts, LIN, str(texts.VOTE_GONE))

    poll_until(lambda: not redis.exists(keys.vote_outbox(TEAM)), description="an empty outbox")
    assert list_votes(stored, reply) == []


def test_stale_button_of_another_version_keeps_no_facts(
    workspace: Workspace, redis: Redis, web: WebClient, stored: Records
) -> None:
    """A forged value is refused with a word."""
    ts, reply = post_reply(workspace, redis, web)
    click = {"user": LIN, "channel": GENERAL, "ts": reply, "action_id": "code_ran"}
    workspace.post_json("_page/click", click | {"value": f"ran {ts} {ts} {ADA} bb"})
    wait_for_votes(stored, reply, (LIN, None, None, True))
    found = [json.loads(line) for line in export_votes(stored, "0") if '"bb"' in line]
    assert [line["model"] for line in found] == [""]

    workspace.post_json("_page/click", click | {"value": f"<!channel> {ts} {ts} {ADA} bb"})
    wait_for_word(workspace, ts, LIN, str(texts.CONTROL_UNREADABLE))
