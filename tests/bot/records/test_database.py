"""Records on SQLite and on PostgreSQL: transactions, and what a bad database does to a use."""

import os
import signal
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog.testing
from sqlalchemy import Connection, event, insert, select

from bot.records.database import RecordRefusedError, Records, RecordsUnavailableError
from bot.records.tables import voted_replies
from contract.settings import SettingsError
from testing.postgres_server import PASSWORD, PostgresServer, find_postgres

ROW = {"team": "T1", "channel": "C1", "message_ts": "1.1", "version": ""}
ROW |= {"thread_ts": "1.0", "facts": "{}"}


def store_row(connection: Connection) -> None:
    """Store a row; a second time violates the primary key."""
    connection.execute(insert(voted_replies).values(ROW))


def list_facts(connection: Connection) -> list[str]:
    """Return the facts of all rows."""
    return list(connection.execute(select(voted_replies.c.facts)).scalars())


def raise_after_write(connection: Connection) -> None:
    """Fail between a write and its commit."""
    store_row(connection)
    raise KeyError


@pytest.fixture
def sqlite_records(tmp_path: Path) -> Iterator[Records]:
    """Open records in an SQLite file."""
    found = Records(f"sqlite:///{tmp_path / 'records.db'}")
    found.open_database()
    yield found
    found.close_database()


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """Run a PostgreSQL server of the test's own, which it may kill."""
    programs = find_postgres()
    if programs is None:
        pytest.skip("needs Debian's postgresql")
    with PostgresServer(programs) as server:
        yield server


def test_write_is_committed_and_failed_one_rolled_back(records: Records) -> None:
    """An exception of the use reaches the caller, and leaves no row."""
    with pytest.raises(KeyError):
        records.write(raise_after_write)
    assert records.read(list_facts) == []

    records.write(store_row)
    assert records.read(list_facts) == ["{}"]


def test_refused_values_say_nothing_about_availability(records: Records) -> None:
    """A violated constraint is an error of the row; its message holds no value."""
    records.write(store_row)
    with pytest.raises(RecordRefusedError, match=r"^IntegrityError$"):
        records.write(store_row)

    assert records.problem is None


def test_row_without_owner_is_refused(records: Records) -> None:
    """SQLite checks foreign keys too."""
    statement = (
        "INSERT INTO votes VALUES ('T1', 'C1', '1', '', 'U1', '1', 'up', NULL, true, '1', '[]')"
    )
    with pytest.raises(RecordRefusedError):
        records.write(lambda connection: connection.exec_driver_sql(statement))


def test_only_owner_reads_sqlite_file(tmp_path: Path, sqlite_records: Records) -> None:
    """Its write-ahead log has the same permissions."""
    sqlite_records.write(store_row)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}

    assert modes == dict.fromkeys(("records.db", "records.db-wal", "records.db-shm"), 0o600)


def test_locked_sqlite_file_is_unavailable_until_it_is_free(
    tmp_path: Path, sqlite_records: Records
) -> None:
    """Readers wait for no writer."""
    sqlite_records.write(store_row)
    other = sqlite3.connect(tmp_path / "records.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(RecordsUnavailableError, match="SQLITE_BUSY"):
        sqlite_records.write(list_facts)
    assert sqlite_records.problem == "OperationalError: SQLITE_BUSY"
    assert sqlite_records.read(list_facts) == ["{}"]

    other.close()
    assert sqlite_records.write(list_facts) == ["{}"]
    assert sqlite_records.problem is None


def test_full_disk_is_unavailable(sqlite_records: Records) -> None:
    """A disk that is full stops the write alone."""
    event.listen(
        sqlite_records._engine,
        "begin",
        lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 1"),
    )
    row = ROW | {"facts": "x" * 100_000}

    with pytest.raises(RecordsUnavailableError, match="SQLITE_FULL"):
        sqlite_records.write(lambda c: c.execute(insert(voted_replies).values(row)))
    assert sqlite_records.read(list_facts) == []


@pytest.mark.parametrize("path", ["/no/such/folder/starchat.db", "/"])
def test_unusable_file_stops_start(path: str) -> None:
    """The operator reads the path and the reason."""
    with pytest.raises(SettingsError) as raised:
        Records(f"sqlite:///{path}")
    line = str(raised.value)

    assert line.startswith("DATABASE_URL must name an SQLite file in a directory")
    assert f"'{path}'" in line


def test_other_file_stops_start(tmp_path: Path) -> None:
    """A file of another program is not touched."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database" * 100, "utf-8")
    records = Records(f"sqlite:///{path}")
    with pytest.raises(SettingsError, match="must name an SQLite database, not another file"):
        records.open_database()
    records.close_database()

    assert path.read_text("utf-8").startswith("not a database")


@pytest.mark.postgres
def test_postgres_that_is_away_or_frozen_is_tried_again(postgres: PostgresServer) -> None:
    """The bot starts without it, migrates once it is back, and waits for no frozen server."""
    url = postgres.create_database()
    postgres.kill_server()
    records = Records(url)
    with structlog.testing.capture_logs() as logs:
        records.open_database()
    with pytest.raises(RecordsUnavailableError, match=r"^OperationalError: no connection$"):
        records.write(store_row)

    postgres.restart_server()
    records.write(store_row)
    assert records.problem is None

    postgres.send_signal(signal.SIGSTOP)
    with pytest.raises(RecordsUnavailableError, match="no answer in time"):
        records.read(list_facts, max_seconds=0.1)
    postgres.send_signal(signal.SIGCONT)
    assert records.read(list_facts, max_seconds=60) == ["{}"]
    records.close_database()

    assert PASSWORD not in str(logs)
    assert [entry["event"] for entry in logs] == ["records unavailable"]


def test_closed_records_are_unavailable(sqlite_records: Records) -> None:
    """A use at the end of the process gets the same error."""
    sqlite_records.close_database()
    with pytest.raises(RecordsUnavailableError, match="closed"):
        sqlite_records.read(list_facts)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to every directory")
def test_directory_without_permission_stops_start(tmp_path: Path) -> None:
    """SQLite needs files beside its own."""
    (tmp_path / "records.db").touch()
    tmp_path.chmod(0o500)
    with pytest.raises(SettingsError, match="Permission denied"):
        Records(f"sqlite:///{tmp_path / 'records.db'}")
