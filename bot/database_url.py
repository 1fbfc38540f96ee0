"""Check of `DATABASE_URL`. Its errors quote nothing: the address may hold a password."""

from pathlib import Path
from typing import Final

from sqlalchemy import URL, create_engine, make_url

SQLITE_DRIVERS: Final = frozenset({"sqlite", "sqlite+pysqlite"})
POSTGRESQL_DRIVERS: Final = frozenset({"postgresql", "postgresql+psycopg"})
FILE_OPTIONS: Final = frozenset({"sslrootcert", "sslcert", "sslkey"})
"""Options of libpq that name a file."""


def check_database_url(url: str) -> None:
    """Raise `ValueError` for an address that SQLAlchemy or the driver would refuse later."""
    try:
        parsed = make_url(url if url.isprintable() else "")
        if parsed.drivername in SQLITE_DRIVERS:
            _check_sqlite(parsed)
        elif parsed.drivername in POSTGRESQL_DRIVERS:
            _check_postgresql(parsed)
        else:
            raise ValueError("names another database")  # noqa: TRY301
    except Exception:  # noqa: BLE001 - next line
        # The libraries may raise anything, with the password in its message.
        raise ValueError("cannot be used") from None


def _check_sqlite(url: URL) -> None:
    path = url.database or ""
    if url.host or url.username or url.query or path.startswith(("file:", ":")) or not path:
        raise ValueError("is not the path of a file")


def _check_postgresql(url: URL) -> None:
    if "@" in (url.host or "") or not (url.database or url.query):
        raise ValueError("has an unescaped sign in its password, or no database")
    # Half a second of imports, which a bot with SQLite does not need.
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415

    dialect = create_engine(url.set(drivername="postgresql+psycopg")).dialect
    _, arguments = dialect.create_connect_args(url)
    arguments.pop("context", None)  # psycopg's own, no option of libpq
    make_conninfo(**arguments)
    for option in FILE_OPTIONS & set(arguments):
        if arguments[option] != "system" and not Path(arguments[option]).exists():
            raise ValueError("names a file that does not exist")
