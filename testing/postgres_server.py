"""PostgreSQL servers on a unix socket, for one process of tests."""

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final, Self

import psycopg

from testing.polling import poll_until

PROGRAMS: Final = Path("/usr/lib/postgresql")
"""Debian's folder of PostgreSQL's programs, one folder a version."""
START_TIMEOUT_SECONDS: Final = 60.0
ROLE: Final = "starchat"
PASSWORD: Final = "s3cr3t"
FAST_OPTIONS: Final = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")


def find_postgres() -> Path | None:
    """Return the folder of the newest installed version's programs."""
    found = sorted(PROGRAMS.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


class PostgresServer:
    """A PostgreSQL server, started by the constructor as a user without rights."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._directory = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._numbers = itertools.count(1)
        # PostgreSQL refuses root.
        self._account: dict[str, Any] = {}
        if os.geteuid() == 0:
            entry = pwd.getpwnam("nobody")
            self._account = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
            os.chown(self._directory, entry.pw_uid, entry.pw_gid)
        self._data = self._directory / "data"
        options = ("--no-sync", "--encoding=UTF8", "--locale=C", "--auth=trust")
        self._run_program("initdb", *options, f"--username={ROLE}", f"--pgdata={self._data}")
        self._start_server()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_server()

    def create_database(self, template: str = "template1") -> str:
        """Create a database from a template; return its `DATABASE_URL`."""
        name = f"test{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.format_url(name)

    def format_url(self, name: str) -> str:
        """Return the `DATABASE_URL` of a database."""
        return f"postgresql://{ROLE}:{PASSWORD}@/{name}?host={self._directory}"

    def drop_database(self, url: str) -> None:
        """Drop a database, and close the connections to it."""
        name = url.partition("?")[0].rpartition("/")[2]
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        """Execute a statement in the server's own database."""
        with psycopg.connect(
            host=str(self._directory), user=ROLE, dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(statement.encode())

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to all processes of the server, for example to freeze it."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        for pid in (self._process.pid, *map(int, children.read_text("utf-8").split())):
            os.kill(pid, number)

    def kill_server(self) -> None:
        """Stop the server at once. Its data stays."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(START_TIMEOUT_SECONDS)

    def restart_server(self) -> None:
        """Start a killed server on its data."""
        self._start_server()

    def stop_server(self) -> None:
        """Stop the server and remove its data."""
        self.kill_server()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _start_server(self) -> None:
        options = [part for option in FAST_OPTIONS for part in ("-c", option)]
        self._process = subprocess.Popen(
            [
                *(self._programs / "postgres", "-D", self._data, "-k", self._directory),
                *("-c", "listen_addresses=", *options),
            ],
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **self._account,
        )
        poll_until(self._accepts_connections, timeout=START_TIMEOUT_SECONDS)

    def _accepts_connections(self) -> bool:
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _run_program(self, name: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / name, *arguments],
            cwd=self._directory,
            check=True,
            capture_output=True,
            **self._account,
        )
