"""Tables of the records: votes, rules of channels with their log, and signatures of questions."""

from typing import Final

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

PURGED_BY: Final = "purged_by"
"""Key of `Table.info`: names of the columns by which the table's rows are purged."""

metadata: Final = MetaData()

ID: Final = String(64)
"""Type of Slack's ids."""
TIMESTAMP: Final = String(32)
"""Type of Slack's timestamps, which are also ids of messages."""

voted_replies: Final = Table(
    "voted_replies",
    metadata,
    Column("team", ID, primary_key=True),
    Column("channel", ID, primary_key=True),
    Column("message_ts", TIMESTAMP, primary_key=True),
    Column("version", String(16), primary_key=True),
    Column("thread_ts", TIMESTAMP, nullable=False),
    Column("facts", Text, nullable=False),
    Column("conversation", Text),
    Column("reply", Text),
    info={PURGED_BY: ("team", "channel", "thread_ts", "message_ts")},
)
"""
A finished reply that people have voted on.

`version` is the reply's id: a message may show another version later. `facts` is a JSON object:
model, sampling, checks. `conversation` (a JSON list) and `reply` are
texts, present only with the workspace's consent.
"""

votes: Final = Table(
    "votes",
    metadata,
    Column("team", ID, primary_key=True),
    Column("channel", ID, primary_key=True),
    Column("message_ts", TIMESTAMP, primary_key=True),
    Column("version", String(16), primary_key=True),
    Column("user_id", ID, primary_key=True),
    Column("thread_ts", TIMESTAMP, nullable=False),
    Column("opinion", String(8)),
    Column("reason", String(16)),
    Column("ran", Boolean, nullable=False),
    Column("voted_at", TIMESTAMP, nullable=False, index=True),
    Column("presses", Text, nullable=False),
    ForeignKeyConstraint(
        ("team", "channel", "message_ts", "version"),
        [f"voted_replies.{name}" for name in ("team", "channel", "message_ts", "version")],
        name="fk_votes_voted_replies",
        ondelete="CASCADE",
    ),
    Index("ix_votes_thread", "team", "channel", "thread_ts"),
    info={PURGED_BY: ("team", "channel", "thread_ts", "message_ts", "user_id")},
)
"""
One person's vote on one reply.

`opinion` is `up`, `down` or null; `ran` is whether the code ran for the person. Both follow from
`presses`, a JSON list of what the person has pressed. `voted_at` is Slack's time of the last one.
"""

channel_rules: Final = Table(
    "channel_rules",
    metadata,
    Column("team", ID, primary_key=True),
    Column("channel", ID, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("rules", Text, nullable=False),
    info={PURGED_BY: ("team",)},
)
"""
Present rules of a channel as a JSON object; `version` counts its changes.

They outlast their channel's texts: without them, everyone could ask there.
"""

rule_changes: Final = Table(
    "rule_changes",
    metadata,
    Column("team", ID, primary_key=True),
    Column("channel", ID, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("rule", ID, primary_key=True),
    Column("old_value", Text, nullable=False),
    Column("new_value", Text, nullable=False),
    Column("user_id", ID, nullable=False),
    Column("changed_at", TIMESTAMP, nullable=False),
    Column("request", String(128), nullable=False),
    Column("undoes", Integer),
    info={PURGED_BY: ("team",)},
)
"""
Log of the changes, a row for each changed rule: who, when, and both values as JSON.

`version` is the one that the change has led to. `request` identifies what the person pressed, so
that a repetition changes nothing. `undoes` is the version that an undo has taken back.
"""

signature_keys: Final = Table(
    "signature_keys",
    metadata,
    Column("team", ID, primary_key=True),
    Column("secret", LargeBinary(32), nullable=False),
    info={PURGED_BY: ("team",)},
)
"""Random key of a workspace, under which its questions are hashed. It goes with an uninstall."""

asked_questions: Final = Table(
    "asked_questions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("team", ID, nullable=False),
    Column("channel", ID, nullable=False),
    Column("thread_ts", TIMESTAMP, nullable=False),
    Column("message_ts", TIMESTAMP, nullable=False),
    Column("user_id", ID, nullable=False),
    Column("signature", LargeBinary(512), nullable=False),
    Column("digest", LargeBinary(16), nullable=False),
    UniqueConstraint("team", "channel", "message_ts", name="uq_asked_questions_message"),
    Index("ix_asked_questions_digest", "team", "digest"),
    info={PURGED_BY: ("team", "channel", "thread_ts", "message_ts", "user_id")},
)
"""
First question of a thread, without its text: see `bot.asked_before.fingerprint`.

`message_ts` is also the time at which `user_id` has asked.
"""
