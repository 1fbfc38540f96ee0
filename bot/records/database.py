"""The bot's way to its database: short transactions, and one error while it is unavailable."""

import threading
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Final, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import (
    DatabaseError,
    DataError,
    IntegrityError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)

from bot.records.engine import LONG_USE_SECONDS, READ_ONLY, open_engine
from bot.records.purge import PurgeScope, purge_rows
from bot.records.schema import NewerSchemaError, migrate_schema
from contract.settings import SettingsError
from contract.thread_pool import eager_thread_pool

log = structlog.get_logger()

DATABASE_THREADS: Final = 4
MAX_USE_SECONDS: Final = 3.0
"""Time limit of one use; a use whose statements are frozen holds its thread for longer."""
MAX_OPEN_SECONDS: Final = 10.0
"""Time limit of the first migration, before which the bot receives no event."""
NEWER_SCHEMA: Final = (
    "DATABASE_URL must name a database whose schema this version knows, not that of a newer version"
)
NOT_A_DATABASE: Final = "DATABASE_URL must name an SQLite database, not another file"

Result = TypeVar("Result")


class RecordsUnavailableError(Exception):
    """The database is away, locked, full, slow or newer than the code. Names no value."""


class RecordRefusedError(RecordsUnavailableError):
    """The database refuses the values of a use, and would refuse them again."""


class Records:
    """
    Facts that last, in SQLite or PostgreSQL.

    Each use is a function that takes a connection in a transaction. It is committed if the function
    returns, and rolled back if it raises. It runs on a thread of this object: a database that is
    frozen holds these threads, and no others.
    """

    def __init__(self, url: str) -> None:
        """Open a checked `DATABASE_URL`. Raises `SettingsError` if its file cannot be opened."""
        self._engine = open_engine(url)
        self._threads = eager_thread_pool(DATABASE_THREADS, "records")
        self._is_migrated = False
        self._migration_lock = threading.Lock()
        # SQLite has one writer. Its own wait is no queue: under load, some threads would starve.
        has_one_writer = self._engine.dialect.name == "sqlite"
        self._writers = threading.BoundedSemaphore(1 if has_one_writer else DATABASE_THREADS)
        self._problem: str | None = None

    @property
    def problem(self) -> str | None:
        """The reason why the last use failed, `None` if it succeeded."""
        return self._problem

    def open_database(self) -> None:
        """
        Migrate the schema. A database that is away is tried again with each use.

        Raises `SettingsError` if its schema is newer than the code, or if it is no database.
        """
        try:
            self._run(_do_nothing, MAX_OPEN_SECONDS, is_reader=True)
        except RecordsUnavailableError as error:
            if isinstance(error.__cause__, NewerSchemaError):
                raise SettingsError(NEWER_SCHEMA) from None
            if "is not a database" in str(error.__cause__):
                raise SettingsError(NOT_A_DATABASE) from None

    def read(
        self, use: Callable[[Connection], Result], max_seconds: float = MAX_USE_SECONDS
    ) -> Result:
        """Return what `use` reads. Raises `RecordsUnavailableError` after `max_seconds` s."""
        return self._run(use, max_seconds, is_reader=True)

    def write(
        self, use: Callable[[Connection], Result], max_seconds: float = MAX_USE_SECONDS
    ) -> Result:
        """
        Commit what `use` writes, and return its result.

        Raises `RecordsUnavailableError`, after `max_seconds` seconds if the database does not
        answer. It may be committed after that.
        """
        return self._run(use, max_seconds, is_reader=False)

    def purge(self, scope: PurgeScope) -> int:
        """Delete all rows of a scope; return their number. Raises `RecordsUnavailableError`."""
        return self.write(partial(purge_rows, scope=scope), LONG_USE_SECONDS)

    def close_database(self) -> None:
        """Close the connections that are not in use."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._engine.dispose()

    def _run(
        self, use: Callable[[Connection], Result], max_seconds: float, *, is_reader: bool
    ) -> Result:
        try:
            future = self._threads.submit(self._use_connection, use, is_reader=is_reader)
        except RuntimeError:
            raise RecordsUnavailableError("closed") from None
        try:
            result = future.result(max_seconds)
        except TimeoutError:
            future.cancel()
            self._note_problem("no answer in time")
            raise RecordsUnavailableError("no answer in time") from None
        except (SQLAlchemyError, NewerSchemaError, OSError, MemoryError) as error:
            reason = self._note_error(error)
            if isinstance(error, IntegrityError | DataError):
                raise RecordRefusedError(reason) from error
            raise RecordsUnavailableError(reason) from error
        self._note_problem(None)
        return result

    def _use_connection(self, use: Callable[[Connection], Result], *, is_reader: bool) -> Result:
        self._ensure_schema()
        engine = self._engine.execution_options(**{READ_ONLY: is_reader})
        with nullcontext() if is_reader else self._writers, engine.begin() as connection:
            return use(connection)

    def _ensure_schema(self) -> None:
        with self._migration_lock:
            if self._is_migrated:
                return
            with self._engine.begin() as connection:
                if migrate_schema(connection):
                    log.info("schema migrated", database=connection.dialect.name)
            self._is_migrated = True

    def _note_error(self, error: Exception) -> str:
        """Note an error as the present problem; return its name, without any value."""
        if isinstance(error, IntegrityError | DataError):
            # The database answers: it is available.
            return type(error).__name__
        if isinstance(error, ProgrammingError) or "no such table" in str(error):
            # Another program has restored or emptied the database.
            self._is_migrated = False
        reason = _describe_error(error)
        self._note_problem(reason)
        return reason

    def _note_problem(self, problem: str | None) -> None:
        before, self._problem = self._problem, problem
        if problem is not None and problem != before:
            log.warning("records unavailable", reason=problem)
        elif problem is None and before is not None:
            log.info("records available again")


def _describe_error(error: Exception) -> str:
    """Return an error's name and SQL state or SQLite's error code, and no part of its message."""
    if not isinstance(error, DatabaseError) or error.orig is None:
        return type(error).__name__
    code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", None)
    name = type(error).__name__
    if code is None and isinstance(error, OperationalError):
        return f"{name}: no connection"
    return f"{name}: {code}" if code else name


def _do_nothing(_: Connection) -> None:
    """Use the database only to migrate it."""
