"""Questions that are recorded for later ones: which, and what a database that is away changes."""

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from redis import Redis
from slack_sdk import WebClient
from sqlalchemy import Connection, select, text

from bot.concurrency import BackgroundTasks
from bot.handlers.asked_before.asked_before import AskedBefore
from bot.handlers.asked_before.retention import RETENTION_SECONDS, QuestionRetention
from bot.handlers.job_builder import Source
from bot.messages.events import ChannelType, MessagePosted
from bot.messages.votes.presses import Mark, Press, PressKind
from bot.records.database import Records, RecordsUnavailableError
from bot.records.tables import asked_questions
from bot.records.votes import ReplyKey, VotedReply, add_press
from bot.rules.channel_rules import DEFAULT_RULES, ChannelRules
from bot.store.client import NotCachedError
from contract import keys
from contract.attached_files import FileReference
from contract.conversation import Speaker, Turn
from contract.job import Job, Thread
from testing.queue_inspector import TEAM
from tests.bot.handlers.rule_parts import build_rule_reader

THREAD = Thread(team="T1", channel="C1", ts="1.0")
TURN = Turn(speaker=Speaker.USER, text="How do I sort a list in Python?", ts="1.0")
JOB = Job(thread=THREAD, ts="1.0", user="U1", user_team="T1", turns=(TURN,))
POST = MessagePosted(
    thread=THREAD, ts="1.0", channel_type=ChannelType.CHANNEL, author="U1", author_team="T1",
    text=TURN.text, message=None, can_ask=True, is_own=False,
)  # fmt: skip
RULES = ChannelRules(asked_before=True)
FILE = FileReference(id="F1", name="a.py", size=1)
LONG_SECONDS = 600.0
"""Time limit of a look into the database that no busy machine reaches."""


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Records]:
    """Open a database in a file."""
    records = Records(f"sqlite:///{tmp_path / 'records.db'}")
    records.open_database()
    yield records
    records.close_database()


def read_channels(connection: Connection) -> list[str]:
    """Return the channel of each recorded question."""
    return list(connection.execute(select(asked_questions.c.channel)).scalars())


def record(
    records: Records, job: Job, post: MessagePosted = POST, rules: ChannelRules = RULES
) -> None:
    """Record a question, and wait until that is done."""
    background = BackgroundTasks()
    # Nothing asks Slack: there is no earlier answer.
    asked_before = AskedBefore(records, cast("Any", None), background)
    asked_before.record_question(job, post, rules)
    background.drain(30)
    assert asked_before.suggest_answer(job, post, rules, Source.SLACK) is job


def test_first_questions_of_channels_with_the_rule_are_recorded(sqlite: Records) -> None:
    """Each once."""
    for _ in range(2):
        record(sqlite, JOB, POST, RULES)

    assert sqlite.read(read_channels) == ["C1"]


@pytest.mark.parametrize(
    ("job", "post", "rules"),
    [
        (JOB, POST, DEFAULT_RULES),
        (JOB, POST.model_copy(update={"channel_type": ChannelType.IM}), RULES),
        (JOB, POST.model_copy(update={"channel_type": ChannelType.MPIM}), RULES),
        (JOB, POST.model_copy(update={"bot_ids": frozenset({"B1"})}), RULES),
        (JOB.model_copy(update={"turns": (TURN, TURN)}), POST, RULES),
        (
            JOB.model_copy(update={"turns": (TURN.model_copy(update={"files": (FILE,)}),)}),
            POST,
            RULES,
        ),
    ],
    ids=["without rule", "direct", "group message", "bot", "follow-up", "with a file"],
)
def test_other_questions_are_not_recorded(
    sqlite: Records, job: Job, post: MessagePosted, rules: ChannelRules
) -> None:
    """Nothing leaves a direct message, and a conversation is more than its question."""
    record(sqlite, job, post, rules)

    assert sqlite.read(read_channels) == []


LATER = JOB.model_copy(update={"ts": "9.0", "thread": THREAD.model_copy(update={"ts": "9.0"})})


def suggest(records: Records, source: Source) -> Job:
    """Let a later question look for the answer to the first one; nothing asks Slack."""
    asked_before = AskedBefore(records, cast("Any", None), BackgroundTasks(), LONG_SECONDS)
    return asked_before.suggest_answer(LATER, POST, RULES, source)


def mark_answer(records: Records) -> None:
    """Record the first question, and a colleague's mark on its answer."""
    record(records, JOB, POST, RULES)
    key = ReplyKey("T1", "C1", "1.01", "0a")
    press = Press(ts="2.0", kind=PressKind.SET, mark=Mark.RAN)
    reply = VotedReply("1.0", json.dumps({"question_ts": "1.0"}))
    records.write(partial(add_press, key=key, user="U2", press=press, reply=reply))


def test_last_try_has_no_suggestion(sqlite: Records) -> None:
    """A question that could not be read in time costs no more calls."""
    mark_answer(sqlite)

    with pytest.raises(NotCachedError):
        suggest(sqlite, Source.CACHE)
    assert suggest(sqlite, Source.LAST_TRY) is LATER


def test_database_with_a_problem_is_not_asked(sqlite: Records) -> None:
    """Neither to find nor to record: it would hold threads that others need."""
    mark_answer(sqlite)
    with pytest.raises(RecordsUnavailableError):
        sqlite.read(lambda connection: connection.execute(text("SELECT * FROM nothing")))

    assert suggest(sqlite, Source.CACHE) is LATER
    asked_before = AskedBefore(sqlite, cast("Any", None), background := BackgroundTasks())
    asked_before.record_question(LATER, POST, RULES)
    background.drain(30)
    assert sqlite.read(read_channels) == ["C1"]


def test_database_that_is_away_changes_no_question(sqlite: Records) -> None:
    """The job is the same as without the rule."""
    sqlite.close_database()

    record(sqlite, JOB, POST, RULES)


def test_old_questions_and_those_without_the_rule_are_dropped(
    sqlite: Records, redis: Redis, web: WebClient, tmp_path: Path
) -> None:
    """
    A first pass drops old ones; the next one has to wait for an hour.

    That one drops those of channels without the rule: in a rollout, another bot may have it on.
    """
    now = time.time()
    rules = build_rule_reader(redis, web, tmp_path, {"C1": RULES, "C2": DEFAULT_RULES})
    retention = QuestionRetention("T1", sqlite, rules)
    ages = (("C1", 0), ("C1", RETENTION_SECONDS + 60), ("C2", 0))
    for channel, age in ages:
        ts = f"{now - age:.6f}"
        thread = Thread(team="T1", channel=channel, ts=ts)
        turn = TURN.model_copy(update={"ts": ts})
        record(sqlite, JOB.model_copy(update={"thread": thread, "ts": ts, "turns": (turn,)}))
    assert sqlite.read(read_channels) == ["C1", "C1", "C2"]
    retention.drop_due()

    assert sqlite.read(read_channels) == ["C1", "C2"]
    record(sqlite, JOB)
    retention.drop_due()
    assert sqlite.read(read_channels) == ["C1", "C1", "C2"]
    retention._due_at = 0.0
    retention.drop_due()
    assert sqlite.read(read_channels) == ["C1"]


def test_channel_with_unreadable_rules_keeps_its_questions(
    sqlite: Records, redis: Redis, web: WebClient, tmp_path: Path
) -> None:
    """The channels before and after it are looked at all the same."""
    rules = build_rule_reader(redis, web, tmp_path)
    rules.refresh_cache()
    for channel in ("C1", "C2", "C3"):
        ts = f"{time.time():.6f}"
        thread = Thread(team="T1", channel=channel, ts=ts)
        record(sqlite, JOB.model_copy(update={"thread": thread, "ts": ts}))
    redis.hset(keys.channel_rules(TEAM), "C2", "unreadable")
    retention = QuestionRetention("T1", sqlite, rules)
    for _ in range(2):
        retention._due_at = 0.0
        retention.drop_due()

    assert sqlite.read(read_channels) == ["C2"]
