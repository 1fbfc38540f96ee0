"""Schema of the records: migrations on both databases, by several bots at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import structlog.testing
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from bot.records.database import Records
from bot.records.purge import PurgeScope
from bot.records.tables import PURGED_BY, metadata, voted_replies, votes
from contract.settings import SettingsError

BOTS = 4


def set_newer_revision(connection: Connection) -> None:
    """Pretend that a newer version has migrated the database."""
    connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")


def test_migrated_schema_has_all_tables(records: Records) -> None:
    """The migrations and the tables say the same, on both databases."""
    differences = records.read(
        lambda connection: compare_metadata(MigrationContext.configure(connection), metadata)
    )

    assert differences == []


def test_revisions_are_one_chain() -> None:
    """Two migrations after the same one would stop every start."""
    config = Config()
    config.set_main_option("script_location", "bot/records/migrations")

    assert len(ScriptDirectory.from_config(config).get_heads()) == 1


def test_bots_that_start_together_migrate_once(empty_database_url: str) -> None:
    """One migrates, the others wait for it, or find it done at their next use."""
    bots = [Records(empty_database_url) for _ in range(BOTS)]
    with structlog.testing.capture_logs() as logs, ThreadPoolExecutor(BOTS) as threads:
        list(threads.map(Records.open_database, bots))
        rows = [bot.read(_count_rows, max_seconds=60) for bot in bots]

    assert rows == [(0, 0)] * BOTS
    assert [entry["event"] for entry in logs].count("schema migrated") == 1
    for bot in bots:
        bot.close_database()


def test_newer_schema_stops_start(records: Records, database_url: str) -> None:
    """An older bot would misread the tables of a newer one."""
    records.write(set_newer_revision)
    bot = Records(database_url)
    with pytest.raises(SettingsError, match=r"^DATABASE_URL must .*, not that of a newer version$"):
        bot.open_database()
    bot.close_database()

    assert bot.problem == "NewerSchemaError"


def test_every_table_says_by_whom_it_is_purged() -> None:
    """An uninstall leaves no row of a team."""
    for table in metadata.sorted_tables:
        assert "team" in table.info[PURGED_BY]
        assert set(table.info[PURGED_BY]) <= {column.name for column in table.columns}


SCOPES = [
    (PurgeScope("T2"), 2, 4),
    (PurgeScope("T1"), 0, 0),
    (PurgeScope("T1", "C1"), 0, 0),
    (PurgeScope("T1", "C2"), 2, 4),
    (PurgeScope("T1", "C1", thread_ts="1.0"), 1, 2),
    (PurgeScope("T1", "C1", message_ts="2.1"), 1, 2),
    (PurgeScope("T1", user_id="U1"), 2, 2),
]
"""Each scope, with the number of replies and of votes that it leaves."""


def test_purge_deletes_rows_of_its_scope(records: Records) -> None:
    """Deletion by team, channel, thread, message or person; no other row goes."""
    for scope, num_replies, num_votes in SCOPES:
        records.purge(PurgeScope("T1"))
        records.write(_store_rows)
        records.purge(scope)

        assert records.read(_count_rows) == (num_replies, num_votes), scope
        assert records.purge(scope) == 0


def _store_rows(connection: Connection) -> None:
    for thread in ("1", "2"):
        owner = {"team": "T1", "channel": "C1", "thread_ts": f"{thread}.0"}
        owner |= {"message_ts": f"{thread}.1", "version": ""}
        connection.execute(voted_replies.insert().values(owner | {"facts": "{}"}))
        for user in ("U1", "U2"):
            vote = {"user_id": user, "opinion": "up", "ran": False, "voted_at": "9.0"}
            connection.execute(votes.insert().values(owner | vote | {"presses": "[]"}))


def _count_rows(connection: Connection) -> tuple[int, int]:
    counts = [len(connection.execute(t.select()).all()) for t in (voted_replies, votes)]
    return counts[0], counts[1]
