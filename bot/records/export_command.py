"""Command `python -m bot export`: writes the votes as JSON lines to stdout."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from bot.records.database import Records, RecordsUnavailableError
from bot.records.export import export_votes
from bot.settings import DatabaseSettings

UNAVAILABLE_EXIT_CODE: Final = 1


def run_export(arguments: Sequence[str]) -> int:
    """Write a line for each reply with votes. Raises `SettingsError` and `SystemExit`."""
    parsed = _parse_arguments(arguments)
    settings = DatabaseSettings.from_environment()
    kept = datetime.now(UTC) - timedelta(days=settings.starchat_votes_retention_days)
    since = max(parsed.since or kept, kept)
    records = Records(settings.database_url.get_secret_value())
    records.open_database()
    try:
        for line in export_votes(records, f"{since.timestamp():.6f}"):
            print(line)  # noqa: T201
        sys.stdout.flush()
    except RecordsUnavailableError as error:
        print(f"bot: the database is not available ({error})", file=sys.stderr)  # noqa: T201
        return UNAVAILABLE_EXIT_CODE
    except BrokenPipeError:
        # The reader has seen enough, as `head` does. Python would complain at the exit.
        sys.stdout = None
    finally:
        records.close_database()
    return 0


def _parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bot export",
        description="Write replies with their votes as JSON lines: conversation and reply (with "
        "STARCHAT_VOTES_WITH_TEXT=on at the time of the vote), model, sampling, checks, votes.",
        epilog=DatabaseSettings.describe_variables(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--since",
        type=_parse_time,
        metavar="TIME",
        help="only votes at or after this time, such as 2026-11-30 or 2026-11-30T12:00+01:00 (UTC "
        "without an offset)",
    )
    return parser.parse_args(arguments)


def _parse_time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("not a time such as 2026-11-30") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
