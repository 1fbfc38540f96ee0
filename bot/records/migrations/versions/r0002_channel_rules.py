"""Create the tables of channels' rules and of their changes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create `channel_rules` and `rule_changes`."""
    op.create_table(
        "channel_rules",
        sa.Column("team", sa.String(64), primary_key=True),
        sa.Column("channel", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("rules", sa.Text, nullable=False),
    )
    op.create_table(
        "rule_changes",
        sa.Column("team", sa.String(64), primary_key=True),
        sa.Column("channel", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("rule", sa.String(64), primary_key=True),
        sa.Column("old_value", sa.Text, nullable=False),
        sa.Column("new_value", sa.Text, nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("changed_at", sa.String(32), nullable=False),
        sa.Column("request", sa.String(128), nullable=False),
        sa.Column("undoes", sa.Integer),
    )
