"""Rule store: the rules of each channel and the log of their changes, in the database."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

import structlog
from pydantic_core import to_jsonable_python
from sqlalchemy import Connection, Table, and_, delete, func, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from bot.records.asked_questions import drop_channel_questions
from bot.records.database import RecordRefusedError, Records
from bot.records.tables import channel_rules, rule_changes
from bot.rules.channel_rules import DEFAULT_RULES, ChannelRules
from bot.rules.versions import VersionedRules, parse_rules

log = structlog.get_logger()

MAX_CHANGES_PER_CHANNEL: Final = 200
"""Versions of a channel whose changes are kept; an older one cannot be taken back."""
MAX_SECONDS: Final = 1.5
"""Time limit of a use: Slack waits 3 s for the answer to a submission."""
MAX_CONFLICTS: Final = 3


class _RaceError(Exception):
    """Another bot has changed the rules since this transaction has read them."""


class ChangeOutcome(StrEnum):
    """Result of a change."""

    SAVED = "saved"
    UNCHANGED = "unchanged"
    """The rules are as asked for, or the request was repeated."""
    CONFLICT = "conflict"
    """Another change came first; nothing was written."""
    NOTHING_TO_UNDO = "nothing_to_undo"


class ChangeResult(NamedTuple):
    """Result of a change, with the rules as they are now and the names of the changed ones."""

    outcome: ChangeOutcome
    current: VersionedRules
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """
    Press of a person who may change rules; `at` is the time (s since the epoch).

    `id` is the same for each delivery of one press.
    """

    team: str
    channel: str
    user: str
    id: str
    at: str


class LastChange(NamedTuple):
    """The latest change of a channel: who, when (s since the epoch), and which rules."""

    user: str
    at: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RuleStore:
    """Rules in the database. Methods raise `RecordsUnavailableError`."""

    records: Records

    def load_team(self, team: str) -> Mapping[str, tuple[int, str]]:
        """Return the version and the JSON of each channel's rules."""
        query = select(
            channel_rules.c.channel, channel_rules.c.version, channel_rules.c.rules
        ).where(channel_rules.c.team == team)
        rows = self.records.read(lambda connection: connection.execute(query).all())
        return {channel: (version, rules) for channel, version, rules in rows}

    def load_rules(self, team: str, channel: str) -> VersionedRules:
        """Return the rules of a channel. Raises `RulesUnreadableError` too."""
        return self.records.read(
            lambda connection: _read_rules(connection, team, channel), MAX_SECONDS
        )

    def find_last_change(self, team: str, channel: str) -> LastChange | None:
        """Return the latest change of a channel; `None` if there is none."""
        query = select(rule_changes).where(
            _is_channel(rule_changes, team, channel),
            rule_changes.c.version
            == select(func.max(rule_changes.c.version))
            .where(_is_channel(rule_changes, team, channel))
            .scalar_subquery(),
        )
        rows = self.records.read(
            lambda connection: connection.execute(query).mappings().all(), MAX_SECONDS
        )
        if not rows:
            return None
        changed = tuple(str(row["rule"]) for row in rows)
        return LastChange(str(rows[0]["user_id"]), str(rows[0]["changed_at"]), changed)

    def save_rules(
        self, request: ChangeRequest, rules: ChannelRules, expected_version: int
    ) -> ChangeResult:
        """
        Replace the rules of a channel if they have the expected version.

        Raises `RulesUnreadableError` too.
        """

        def use(connection: Connection) -> ChangeResult:
            current = _read_rules(connection, request.team, request.channel)
            if rules == current.rules or _is_repeated(connection, request):
                return ChangeResult(ChangeOutcome.UNCHANGED, current)
            if current.version != expected_version:
                return ChangeResult(ChangeOutcome.CONFLICT, current)
            return _write_change(connection, request, current, rules)

        return self._write(use, request)

    def undo_change(self, request: ChangeRequest) -> ChangeResult:
        """
        Take the latest change back that was not taken back yet. Undoing again goes further back.

        Raises `RulesUnreadableError` too.
        """

        def use(connection: Connection) -> ChangeResult:
            current = _read_rules(connection, request.team, request.channel)
            if _is_repeated(connection, request):
                return ChangeResult(ChangeOutcome.UNCHANGED, current)
            found = _find_undoable(connection, request)
            if not found:
                return ChangeResult(ChangeOutcome.NOTHING_TO_UNDO, current)
            values = current.rules.model_dump(mode="json")
            values |= {row["rule"]: json.loads(row["old_value"]) for row in found}
            rules = parse_rules(json.dumps(values))
            return _write_change(connection, request, current, rules, found[0]["version"])

        return self._write(use, request)

    def move_rules(self, team: str, old: str, new: str) -> None:
        """Move the rules of a channel with their log to its new id, unless that has rules."""

        def use(connection: Connection) -> None:
            tables = (channel_rules, rule_changes)
            for table in tables:
                is_new = _is_channel(table, team, new)
                if connection.execute(select(table.c.version).where(is_new)).first() is not None:
                    return
            for table in tables:
                is_old = _is_channel(table, team, old)
                connection.execute(update(table).where(is_old).values(channel=new))

        self.records.write(use, MAX_SECONDS)

    def _write(self, use: Any, request: ChangeRequest) -> ChangeResult:
        for _ in range(MAX_CONFLICTS):
            try:
                result: ChangeResult = self.records.write(use, MAX_SECONDS)
            except (_RaceError, RecordRefusedError):
                continue
            if result.outcome is ChangeOutcome.SAVED:
                log.info(
                    "rules changed",
                    channel=request.channel,
                    user=request.user,
                    rules=result.changed,
                    version=result.current.version,
                )
            return result
        raise RecordRefusedError("the rules change all the time")


def _is_channel(table: Table, team: str, channel: str) -> ColumnElement[bool]:
    return and_(table.c.team == team, table.c.channel == channel)


def _read_rules(connection: Connection, team: str, channel: str) -> VersionedRules:
    query = select(channel_rules.c.version, channel_rules.c.rules).where(
        _is_channel(channel_rules, team, channel)
    )
    row = connection.execute(query).one_or_none()
    return (
        VersionedRules(DEFAULT_RULES)
        if row is None
        else VersionedRules(parse_rules(row[1]), row[0])
    )


def _is_repeated(connection: Connection, request: ChangeRequest) -> bool:
    query = select(rule_changes.c.version).where(
        _is_channel(rule_changes, request.team, request.channel),
        rule_changes.c.request == request.id,
    )
    return connection.execute(query).first() is not None


def _find_undoable(connection: Connection, request: ChangeRequest) -> list[Mapping[str, Any]]:
    """Return the rows of the latest change that is no undo and was not undone."""
    is_channel = _is_channel(rule_changes, request.team, request.channel)
    undone = select(rule_changes.c.undoes).where(is_channel, rule_changes.c.undoes.is_not(None))
    latest = select(func.max(rule_changes.c.version)).where(
        is_channel, rule_changes.c.undoes.is_(None), rule_changes.c.version.not_in(undone)
    )
    query = select(rule_changes).where(
        is_channel, rule_changes.c.version == latest.scalar_subquery()
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def _write_change(
    connection: Connection,
    request: ChangeRequest,
    current: VersionedRules,
    rules: ChannelRules,
    undoes: int | None = None,
) -> ChangeResult:
    changed = VersionedRules(rules, current.version + 1)
    values = {"version": changed.version, "rules": rules.model_dump_json()}
    is_channel = _is_channel(channel_rules, request.team, request.channel)
    if current.version:
        is_current = and_(is_channel, channel_rules.c.version == current.version)
        statement = update(channel_rules).where(is_current).values(values)
        if connection.execute(statement).rowcount != 1:
            raise _RaceError
    else:
        address = {"team": request.team, "channel": request.channel}
        connection.execute(insert(channel_rules).values(address | values))
    names = current.rules.find_changes(rules)
    if "asked_before" in names and not rules.asked_before:
        drop_channel_questions(connection, request.team, request.channel)
    rows = [
        {
            "team": request.team,
            "channel": request.channel,
            "version": changed.version,
            "rule": name,
            "old_value": _encode_value(current.rules, name),
            "new_value": _encode_value(rules, name),
            "user_id": request.user,
            "changed_at": request.at,
            "request": request.id,
            "undoes": undoes,
        }
        for name in names
    ]
    connection.execute(insert(rule_changes), rows)
    is_old = rule_changes.c.version <= changed.version - MAX_CHANGES_PER_CHANNEL
    is_log = _is_channel(rule_changes, request.team, request.channel)
    connection.execute(delete(rule_changes).where(is_log, is_old))
    return ChangeResult(ChangeOutcome.SAVED, changed, names)


def _encode_value(rules: ChannelRules, name: str) -> str:
    """Return one rule as JSON; a dump of all leaves out what older bots do not know."""
    return json.dumps(to_jsonable_python(getattr(rules, name)))
