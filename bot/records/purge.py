"""Purge of the records: deletes the rows of a team, channel, thread, message or person."""

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, and_, delete

from bot.records.engine import allow_long_use
from bot.records.tables import PURGED_BY, metadata


@dataclass(frozen=True, slots=True)
class PurgeScope:
    """Owner of the rows to delete: a team alone, or all that is given beside it."""

    team: str
    channel: str | None = None
    thread_ts: str | None = None
    message_ts: str | None = None
    user_id: str | None = None


def purge_rows(connection: Connection, scope: PurgeScope) -> int:
    """
    Delete the rows of a scope from all tables that are purged by it; return their number.

    Raises `SQLAlchemyError`. Repeating it changes nothing.
    """
    allow_long_use(connection)
    owners = {name: value for name, value in asdict(scope).items() if value is not None}
    num_deleted = 0
    for table in reversed(metadata.sorted_tables):
        if set(owners) <= set(table.info[PURGED_BY]):
            matches = and_(*(table.c[name] == value for name, value in owners.items()))
            num_deleted += connection.execute(delete(table).where(matches)).rowcount
    return num_deleted
