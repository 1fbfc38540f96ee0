"""Create the tables of votes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create `voted_replies` and `votes`."""
    op.create_table(
        "voted_replies",
        sa.Column("team", sa.String(64), primary_key=True),
        sa.Column("channel", sa.String(64), primary_key=True),
        sa.Column("message_ts", sa.String(32), primary_key=True),
        sa.Column("version", sa.String(16), primary_key=True),
        sa.Column("thread_ts", sa.String(32), nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("conversation", sa.Text),
        sa.Column("reply", sa.Text),
    )
    op.create_table(
        "votes",
        sa.Column("team", sa.String(64), primary_key=True),
        sa.Column("channel", sa.String(64), primary_key=True),
        sa.Column("message_ts", sa.String(32), primary_key=True),
        sa.Column("version", sa.String(16), primary_key=True),
        sa.Column("user_id", sa.String(64), primary_key=True),
        sa.Column("thread_ts", sa.String(32), nullable=False),
        sa.Column("opinion", sa.String(8)),
        sa.Column("reason", sa.String(16)),
        sa.Column("ran", sa.Boolean, nullable=False),
        sa.Column("voted_at", sa.String(32), nullable=False),
        sa.Column("presses", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ("team", "channel", "message_ts", "version"),
            [f"voted_replies.{name}" for name in ("team", "channel", "message_ts", "version")],
            name="fk_votes_voted_replies",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_votes_voted_at", "votes", ["voted_at"])
