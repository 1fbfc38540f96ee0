"""Create the tables of asked questions, and an index of votes by thread."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create `signature_keys` and `asked_questions`."""
    op.create_table(
        "signature_keys",
        sa.Column("team", sa.String(64), primary_key=True),
        sa.Column("secret", sa.LargeBinary(32), nullable=False),
    )
    op.create_table(
        "asked_questions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("team", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(64), nullable=False),
        sa.Column("thread_ts", sa.String(32), nullable=False),
        sa.Column("message_ts", sa.String(32), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("signature", sa.LargeBinary(512), nullable=False),
        sa.Column("digest", sa.LargeBinary(16), nullable=False),
        sa.UniqueConstraint("team", "channel", "message_ts", name="uq_asked_questions_message"),
    )
    op.create_index("ix_asked_questions_digest", "asked_questions", ["team", "digest"])
    op.create_index("ix_votes_thread", "votes", ["team", "channel", "thread_ts"])
