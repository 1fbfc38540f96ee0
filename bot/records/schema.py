"""Schema of the records: Alembic's migrations, run by one process at a time."""

from importlib.resources import files
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

MIGRATION_LOCK: Final = 0x5354_4152_4348_4154
"""Key of PostgreSQL's advisory lock: "STARCHAT" in ASCII."""


class NewerSchemaError(Exception):
    """The database has a schema that this version does not know."""


def migrate_schema(connection: Connection) -> bool:
    """
    Bring the schema to this version's revision; return whether that changed it.

    `connection` is in a transaction for writing, which locks out the migrations of other processes.
    Raises `NewerSchemaError`, and `SQLAlchemyError`.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(files("bot.records.migrations")))
    scripts = ScriptDirectory.from_config(config)
    found = MigrationContext.configure(connection).get_current_heads()
    for revision in found:
        _check_revision(scripts, revision)
    if found == tuple(scripts.get_heads()):
        return False
    command.upgrade(config, "head")
    return True


def _check_revision(scripts: ScriptDirectory, revision: str) -> None:
    try:
        is_known = scripts.get_revision(revision) is not None
    except CommandError:
        is_known = False
    if not is_known:
        raise NewerSchemaError
