"""Database engines: SQLite with a write-ahead log, or PostgreSQL by psycopg, with time limits."""

import errno
import os
from pathlib import Path
from typing import Any, Final

import sqlalchemy
from sqlalchemy import URL, Connection, Engine, event, make_url

from contract.settings import SettingsError

CONNECT_TIMEOUT_SECONDS: Final = 2
"""libpq rounds a shorter one up."""
STATEMENT_TIMEOUT_MS: Final = 2_000
LOCK_TIMEOUT_MS: Final = 1_000
"""Wait for another transaction's lock; in SQLite for its whole transaction."""
LONG_USE_SECONDS: Final = 60
"""Time limit of a use that deletes many rows."""
POOL_CONNECTIONS: Final = 4
POOL_TIMEOUT_SECONDS: Final = 2.0
READ_ONLY: Final = "read_only"
"""Execution option of a connection that only reads: it waits for no writer of SQLite."""


def open_engine(url: str) -> Engine:
    """
    Return an engine for a checked `DATABASE_URL`; SQLite's file is created.

    Raises `SettingsError` if that file cannot be opened. No error shows a statement's values.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        _create_file(parsed)
        return _open_sqlite(parsed)
    return _open_postgresql(parsed)


def allow_long_use(connection: Connection) -> None:
    """Let a use that deletes many rows take `LONG_USE_SECONDS`."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {LONG_USE_SECONDS * 1000}")


def _open_sqlite(url: URL) -> Engine:
    engine = _create_engine(
        url.set(drivername="sqlite"),
        timeout=LOCK_TIMEOUT_MS / 1000,
        check_same_thread=False,
        # No transactions of the driver: it would begin them late, and none for DDL.
        isolation_level=None,
    )
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _open_postgresql(url: URL) -> Engine:
    engine = _create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        tcp_user_timeout=STATEMENT_TIMEOUT_MS,
        application_name="starchat",
        # Prepared statements do not pass a connection pooler such as PgBouncer.
        prepare_threshold=None,
    )
    event.listen(engine, "begin", _limit_transaction)
    return engine


def _create_engine(url: URL, **connect_arguments: Any) -> Engine:
    return sqlalchemy.create_engine(
        url,
        connect_args=connect_arguments,
        hide_parameters=True,
        pool_size=POOL_CONNECTIONS,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        pool_pre_ping=True,
    )


def _create_file(url: URL) -> None:
    """Create SQLite's file, which only this user may read, or check the present one."""
    path = Path(str(url.database))
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        # The write-ahead log is a file beside it.
        if not os.access(path.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise SettingsError(
            "DATABASE_URL must name an SQLite file in a directory that can be written to, "
            f"not '{path}' ({error.strerror})"
        ) from None


def _configure_sqlite(connection: Any, _: object) -> None:
    # `synchronous` stays FULL: a committed vote outlasts a loss of power.
    connection.execute("PRAGMA foreign_keys = ON")
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        # Kept in the file. It needs the whole file, and does not wait for it.
        connection.execute("PRAGMA journal_mode = WAL")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later could not wait for another writer.
    is_reader = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if is_reader else "BEGIN IMMEDIATE")


def _limit_transaction(connection: Connection) -> None:
    # Not by options of the connection: a pooler refuses those.
    connection.exec_driver_sql(
        f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}; "
        f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}; "
        f"SET LOCAL idle_in_transaction_session_timeout = {5 * STATEMENT_TIMEOUT_MS}"
    )
