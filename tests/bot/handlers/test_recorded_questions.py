"""Questions that are recorded for later ones: which, and what a database that is away changes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Connection, select

from bot.concurrency import BackgroundTasks
from bot.handlers.asked_before.asked_before import AskedBefore
from bot.handlers.job_builder import Source
from bot.messages.events import ChannelType, MessagePosted
from bot.records.database import Records
from bot.records.tables import asked_questions
from bot.rules.channel_rules import DEFAULT_RULES, ChannelRules
from contract.attached_files import FileReference
from contract.conversation import Speaker, Turn
from contract.job import Job, Thread

THREAD = Thread(team="T1", channel="C1", ts="1.0")
TURN = Turn(speaker=Speaker.USER, text="How do I sort a list in Python?", ts="1.0")
JOB = Job(thread=THREAD, ts="1.0", user="U1", user_team="T1", turns=(TURN,))
POST = MessagePosted(
    thread=THREAD, ts="1.0", channel_type=ChannelType.CHANNEL, author="U1", author_team="T1",
    text=TURN.text, message=None, can_ask=True, is_own=False,
)  # fmt: skip
RULES = ChannelRules(asked_before=True)
FILE = FileReference(id="F1", name="a.py", size=1)


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


def record(records: Records, job: Job, post: MessagePosted, rules: ChannelRules) -> None:
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


def test_database_that_is_away_changes_no_question(sqlite: Records) -> None:
    """The job is the same as without the rule."""
    sqlite.close_database()

    record(sqlite, JOB, POST, RULES)
