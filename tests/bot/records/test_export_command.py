"""Command `python -m bot export`: JSON lines, one line for an operator's mistake."""

import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from bot.messages.votes.presses import Mark, Press, PressKind
from bot.records.database import Records
from bot.records.export_command import run_export
from bot.records.votes import ReplyKey, VotedReply, add_press
from testing.environment import REPOSITORY, clean_environment

REPLY = VotedReply("1.0", "{}", None, "naïve")


def store_votes(records: Records, *days_ago: float) -> None:
    """Store a vote on a reply of each age in days."""
    for number, days in enumerate(days_ago):
        ts = f"{time.time() - days * 86_400:.6f}"
        press = Press(ts=ts, kind=PressKind.TOGGLE, mark=Mark.UP)
        key = ReplyKey("T1", "C1", f"{number}.0", "")
        records.write(partial(add_press, key=key, user="U1", press=press, reply=REPLY))


def test_export_writes_lines_within_the_retention(
    records: Records,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It needs no token, and a time with or without an offset limits it."""
    store_votes(records, 0.5, 5, 50)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("STARCHAT_VOTES_RETENTION_DAYS", "30")
    capsys.readouterr()
    assert run_export([]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["message_ts"], line["reply"]) for line in lines] == [
        ("0.0", "naïve"),
        ("1.0", "naïve"),
    ]
    since = time.strftime("%Y-%m-%dT%H:%M+00:00", time.gmtime(time.time() - 86_400))
    assert run_export(["--since", since]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert run_export(["--since", "2999-01-01"]) == 0
    assert not capsys.readouterr().out


def test_database_that_is_away_ends_the_export(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line without the password; the exit status is 1."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:s3cr3t@127.0.0.1:1/d")
    assert run_export([]) == 1
    written = capsys.readouterr()

    assert written.err.endswith(
        "bot: the database is not available (OperationalError: no connection)\n"
    )
    assert "s3cr3t" not in written.err + written.out


@pytest.mark.parametrize(
    ("arguments", "url", "line"),
    [
        ((), "sqlite:////no/such/folder/a.db", "bot: DATABASE_URL must name an SQLite file"),
        (("--since", "soon"), "sqlite:///a.db", "not a time such as 2026-11-30"),
    ],
)
def test_mistake_of_the_operator_is_one_line(
    arguments: tuple[str, ...], url: str, line: str, tmp_path: Path
) -> None:
    """With exit status 2."""
    done = subprocess.run(
        [sys.executable, "-m", "bot", "export", *arguments],
        cwd=REPOSITORY,
        env=clean_environment(DATABASE_URL=url.replace("a.db", f"{tmp_path}/a.db")),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert line in done.stderr.splitlines()[-1]
