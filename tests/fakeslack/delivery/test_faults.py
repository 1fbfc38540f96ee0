"""Fault injection rules: matching, counts, seeds and delivery faults."""

import random
from typing import Any

import pytest

from fakeslack.delivery.faults import FaultInjector, FaultKind, FaultRule
from fakeslack.errors import SlackError

Json = dict[str, Any]


def test_a_rule_fails_the_calls_it_matches() -> None:
    """A rule skips calls, fails a number of them, and ignores other methods."""
    faults = FaultInjector()
    rule = {"fault": "slow", "method": "chat.*", "skip": 1, "count": 2}
    faults.replace_rules([rule], {}, 0)
    methods = ["chat.update", "users.info", "chat.update", "chat.delete", "chat.update"]
    struck = [faults.match_rule(method) is not None for method in methods]
    assert struck == [False, False, True, True, False]
    assert faults.rules[0].times_applied == 2


def test_a_channel_rule_ignores_other_channels() -> None:
    """Each channel can have its own error."""
    faults = FaultInjector()
    faults.replace_rules([{"fault": "error", "method": "chat.*", "channel": "C1"}], {}, 0)
    calls = [
        ("chat.update", "C1"),
        ("chat.update", "C2"),
        ("users.info", "C1"),
        ("chat.update", ""),
    ]
    struck = [faults.match_rule(method, channel) is not None for method, channel in calls]
    assert struck == [True, False, False, False]


def test_the_same_seed_fails_the_same_calls() -> None:
    """A probability is reproducible by its seed."""

    def run_calls(seed: int) -> list[bool]:
        faults = FaultInjector()
        faults.replace_rules([{"fault": "html", "probability": 0.5}], {}, seed)
        return [faults.match_rule("a") is not None for _ in range(40)]

    assert run_calls(1) == run_calls(1)
    assert run_calls(1) != run_calls(2)
    assert 5 < sum(run_calls(1)) < 35


def test_deliveries_are_duplicated_and_shuffled() -> None:
    """Without delivery faults each delivery is sent once."""
    faults = FaultInjector()
    assert faults.draw_copies() == 1
    faults.replace_rules([], {"duplicate": 1.0, "copies": 3, "reorder": 4}, 0)
    assert faults.draw_copies() == 4
    assert sorted(faults.shuffle_deliveries([1, 2, 3, 4])) == [1, 2, 3, 4]


@pytest.mark.parametrize("rule", [{"fault": "odd"}, {}, {"fault": "slow", "loud": True}])
def test_a_malformed_rule_is_refused(rule: Json) -> None:
    """A misspelled field or fault is an error."""
    with pytest.raises(SlackError, match="invalid_arguments"):
        FaultInjector().replace_rules([rule], {}, 0)


def test_a_rule_without_a_method_matches_all() -> None:
    """The default pattern is a wildcard."""
    assert FaultRule(FaultKind.SLOW).matches_call("x", "", random.Random(0))  # noqa: S311 - repeatable
