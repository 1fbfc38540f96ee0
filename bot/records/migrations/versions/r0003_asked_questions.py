"""Create the tables of asked questions, and an index of votes by thread."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create `signature_keys`, `asked_questions` and `question_bands`."""
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
    op.create_table(
        "question_bands",
        sa.Column("team", sa.String(64), primary_key=True),
        sa.Column("band", sa.LargeBinary(8), primary_key=True),
        sa.Column(
            "question_id",
            sa.Integer,
            sa.ForeignKey(
                "asked_questions.id", name="fk_question_bands_asked_questions", ondelete="CASCADE"
            ),
            primary_key=True,
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_question_bands_question_id", "question_bands", ["question_id"])
    op.create_index("ix_votes_thread", "votes", ["team", "channel", "thread_ts"])
