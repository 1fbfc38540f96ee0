"""Fault injection rules: matching, counts, seeds and delivery faults."""

import random
from typing import Any

import pytest

from fakeslack.delivery.faults import FaultInjector, FaultKind, FaultRule
from fakeslack.errors import SlackError

Json = dict[str, Any]


def test_a_rule_strikes_the_calls_it_names() -> None:
    """A rule passes over some calls, strikes so many, and leaves other methods alone."""
    faults = FaultInjector()
    rule = {"fault": "slow", "method": "chat.*", "skip": 1, "count": 2}
    faults.replace_rules([rule], {}, 0)
    methods = ["chat.update", "users.info", "chat.update", "chat.delete", "chat.update"]
    struck = [faults.match_rule(method) is not None for method in methods]
    assert struck == [False, False, True, True, False]
    assert faults.rules[0].times_applied == 2


def test_a_rule_for_one_channel_leaves_the_others_alone() -> None:
    """Errors can be dealt out, each to a conversation of its own."""
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


def test_chance_is_repeatable_by_its_seed() -> None:
    """The same seed strikes the same calls."""

    def run_calls(seed: int) -> list[bool]:
        faults = FaultInjector()
        faults.replace_rules([{"fault": "html", "probability": 0.5}], {}, seed)
        return [faults.match_rule("a") is not None for _ in range(40)]

    assert run_calls(1) == run_calls(1)
    assert run_calls(1) != run_calls(2)
    assert 5 < sum(run_calls(1)) < 35


def test_deliveries_are_doubled_and_mixed_on_demand() -> None:
    """Without a wish each delivery goes out once."""
    faults = FaultInjector()
    assert faults.draw_copies() == 1
    faults.replace_rules([], {"duplicate": 1.0, "copies": 3, "reorder": 4}, 0)
    assert faults.draw_copies() == 4
    assert sorted(faults.shuffle_deliveries([1, 2, 3, 4])) == [1, 2, 3, 4]


@pytest.mark.parametrize("rule", [{"fault": "odd"}, {}, {"fault": "slow", "loud": True}])
def test_a_rule_that_cannot_be_read_is_refused(rule: Json) -> None:
    """A typing error in a rule must not pass for a fault."""
    with pytest.raises(SlackError, match="invalid_arguments"):
        FaultInjector().replace_rules([rule], {}, 0)


def test_a_rule_without_a_pattern_strikes_every_method() -> None:
    """The default pattern matches all."""
    assert FaultRule(FaultKind.SLOW).matches_call("x", "", random.Random(0))  # noqa: S311 - repeatable
