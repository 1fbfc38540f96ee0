"""Pytest fixtures of databases: SQLite files, and one PostgreSQL server a test process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from bot.records.database import Records
from testing.postgres_server import PostgresServer, find_postgres

TEMPLATE: Final = "migrated"
"""PostgreSQL's database with the schema, of which each test gets a copy."""
BOTH: Final = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgres))
"""Parameters of the fixtures that provide both kinds of database in turn."""


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Run one PostgreSQL server, with a database `migrated`. Skip without Debian's package."""
    programs = find_postgres()
    if programs is None:
        pytest.skip("needs Debian's postgresql")
    with PostgresServer(programs) as server:
        server.execute(f"CREATE DATABASE {TEMPLATE}")
        records = Records(server.format_url(TEMPLATE))
        records.open_database()
        records.close_database()
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """Provide a PostgreSQL database with the schema."""
    url = postgres_server.create_database(TEMPLATE)
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Provide an SQLite file, then a PostgreSQL database with the schema."""
    yield from _provide_database(request, tmp_path, TEMPLATE)


@pytest.fixture(params=BOTH)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Provide each kind of database without a schema."""
    yield from _provide_database(request, tmp_path, "template1")


@pytest.fixture
def records(database_url: str) -> Iterator[Records]:
    """Open the records in each kind of database."""
    found = Records(database_url)
    found.open_database()
    yield found
    found.close_database()


def _provide_database(
    request: pytest.FixtureRequest, directory: Path, template: str
) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{directory / 'records.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.create_database(template)
    yield url
    server.drop_database(url)
