"""Rule store on both databases: compare-and-set, one effect a press, and undo step by step."""

import json
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
import structlog.testing
from sqlalchemy import Connection, func, select, update

from bot.records.database import Records
from bot.records.purge import PurgeScope
from bot.records.rules import ChangeOutcome, ChangeRequest, RuleStore
from bot.records.tables import channel_rules, rule_changes
from bot.rules.channel_rules import DEFAULT_RULES, ChannelRules, WhoMayAsk
from bot.rules.versions import RulesUnreadableError

TEAM, CHANNEL = "T1", "C01"
CLOSED = ChannelRules(who=WhoMayAsk.NO_ONE)
PROMPTED = ChannelRules(who=WhoMayAsk.NO_ONE, prompt="a secret plan", top_k=3)


def press(number: int, user: str = "U1A") -> ChangeRequest:
    """Return the press with this number."""
    return ChangeRequest(TEAM, CHANNEL, user, f"V{number}", f"{number}.0")


@pytest.fixture
def store(records: Records) -> RuleStore:
    """Return the store of an empty database."""
    return RuleStore(records)


def count_log(store: RuleStore) -> int:
    """Return the number of rows in the log."""
    query = select(func.count()).select_from(rule_changes)
    return int(store.records.read(lambda connection: connection.execute(query).scalar_one()))


def test_channel_without_rules_has_version_0(store: RuleStore) -> None:
    """Its rules are the defaults."""
    assert store.load_rules(TEAM, CHANNEL) == (DEFAULT_RULES, 0)
    assert store.load_team(TEAM) == {}
    assert store.find_last_change(TEAM, CHANNEL) is None


def test_change_is_saved_and_logged(store: RuleStore) -> None:
    """Who, when and which rules; the process' log has no values."""
    store.save_rules(press(1), CLOSED, 0)
    with structlog.testing.capture_logs() as logs:
        result = store.save_rules(press(2, "U2A"), PROMPTED, 1)

    assert result == (ChangeOutcome.SAVED, (PROMPTED, 2), ("prompt", "top_k"))
    assert store.load_rules(TEAM, CHANNEL) == (PROMPTED, 2)
    last = store.find_last_change(TEAM, CHANNEL)
    assert last is not None
    assert (last.user, last.at, set(last.rules)) == ("U2A", "2.0", {"prompt", "top_k"})
    [(version, encoded)] = store.load_team(TEAM).values()
    assert (version, ChannelRules.model_validate_json(encoded)) == (2, PROMPTED)
    [event] = logs
    assert (event["event"], event["user"], event["rules"]) == (
        "rules changed", "U2A", ("prompt", "top_k"),
    )  # fmt: skip
    assert "secret" not in str(logs)


def test_second_press_changes_nothing(store: RuleStore) -> None:
    """Also after another change, and after an undo."""
    store.save_rules(press(1), CLOSED, 0)
    assert store.save_rules(press(1), CLOSED, 0).outcome is ChangeOutcome.UNCHANGED
    store.save_rules(press(2), PROMPTED, 1)
    assert store.save_rules(press(1), CLOSED, 0).outcome is ChangeOutcome.UNCHANGED
    assert store.undo_change(press(3)).outcome is ChangeOutcome.SAVED
    assert store.undo_change(press(3)).outcome is ChangeOutcome.UNCHANGED

    assert store.load_rules(TEAM, CHANNEL) == (CLOSED, 3)
    assert count_log(store) == 5


def test_change_of_outdated_rules_is_a_conflict(store: RuleStore) -> None:
    """Nothing is written, and the newer rules are returned."""
    store.save_rules(press(1), CLOSED, 0)
    result = store.save_rules(press(2), PROMPTED, 0)

    assert result == (ChangeOutcome.CONFLICT, (CLOSED, 1), ())
    assert count_log(store) == 1


def test_undo_goes_back_step_by_step(store: RuleStore) -> None:
    """Each undo takes one change back; a later change can be taken back again."""
    store.save_rules(press(1), CLOSED, 0)
    store.save_rules(press(2), PROMPTED, 1)
    steps = [store.undo_change(press(number)) for number in (3, 4, 5)]
    assert [step.current.rules for step in steps] == [CLOSED, DEFAULT_RULES, DEFAULT_RULES]
    assert [step.outcome for step in steps[1:]] == [
        ChangeOutcome.SAVED, ChangeOutcome.NOTHING_TO_UNDO,
    ]  # fmt: skip

    store.save_rules(press(6), PROMPTED, 4)
    assert store.undo_change(press(7)).current == (DEFAULT_RULES, 6)
    assert store.undo_change(press(8)).outcome is ChangeOutcome.NOTHING_TO_UNDO


def test_rules_of_a_newer_version_are_unreadable(store: RuleStore) -> None:
    """They are no rules of a channel that everyone may use."""
    store.save_rules(press(1), CLOSED, 0)

    def write_newer(connection: Connection) -> None:
        connection.execute(update(channel_rules).values(rules='{"who": "moderators"}'))

    store.records.write(write_newer)
    with pytest.raises(RulesUnreadableError):
        store.load_rules(TEAM, CHANNEL)
    with pytest.raises(RulesUnreadableError):
        store.save_rules(press(2), PROMPTED, 1)
    with pytest.raises(RulesUnreadableError):
        store.undo_change(press(3))


def test_uninstall_purges_rules_and_forget_does_not(store: RuleStore) -> None:
    """Without its rules, everyone could ask in a channel."""
    store.save_rules(press(1), CLOSED, 0)
    store.records.purge(PurgeScope(TEAM, CHANNEL))
    store.records.purge(PurgeScope(TEAM, user_id="U1A"))
    assert store.load_rules(TEAM, CHANNEL).rules == CLOSED

    store.records.purge(PurgeScope(TEAM))
    assert store.load_rules(TEAM, CHANNEL).version == 0
    assert count_log(store) == 0


def test_presses_of_several_people_at_once_are_neither_lost_nor_doubled(store: RuleStore) -> None:
    """Each press has one effect, and the log leads from the first rules to the last."""
    chance = random.Random(7)  # noqa: S311 - seeded
    requests = [press(number, f"U{number}A") for number in range(1, 13)] * 3
    chance.shuffle(requests)

    def save(request: ChangeRequest) -> ChangeOutcome:
        for _ in range(100):
            found = store.load_rules(TEAM, CHANNEL)
            rules = found.rules.model_copy(update={"top_k": int(request.id[1:])})
            outcome = store.save_rules(request, rules, found.version).outcome
            if outcome is not ChangeOutcome.CONFLICT:
                return outcome
        raise AssertionError("always a conflict")

    with ThreadPoolExecutor(3) as people:
        outcomes = list(people.map(save, requests))

    query = select(rule_changes).order_by(rule_changes.c.version)
    log = store.records.read(lambda connection: connection.execute(query).mappings().all())
    assert outcomes.count(ChangeOutcome.SAVED) == len(log) == 12
    assert len({row["request"] for row in log}) == 12
    assert [row["version"] for row in log] == list(range(1, 13))
    assert [row["old_value"] for row in log[1:]] == [row["new_value"] for row in log[:-1]]
    assert str(store.load_rules(TEAM, CHANNEL).rules.top_k) == log[-1]["new_value"]


def test_rules_that_older_bots_do_not_know_are_logged_and_taken_back(store: RuleStore) -> None:
    """They are left out of the stored rules while they are off."""
    rules = ChannelRules(candidates=2, asked_before=True)
    saved = store.save_rules(press(1), rules, 0)

    assert saved.changed == ("candidates", "asked_before")
    assert store.load_rules(TEAM, CHANNEL).rules == rules
    assert store.undo_change(press(2)).current == (DEFAULT_RULES, 2)
    [(_, encoded)] = store.load_team(TEAM).values()
    assert not {"candidates", "asked_before"} & json.loads(encoded).keys()
