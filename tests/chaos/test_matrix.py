"""Matrix of the scenarios: names, aliases, selection, and the report of their results."""

import re

from chaos.matrix import list_scenarios, select_groups
from chaos.report import render_markdown
from chaos.scenario import ScenarioResult


def names_of(*names: str) -> list[str]:
    """Return the names of the selected scenarios on StarChat."""
    groups = select_groups(frozenset(names), frozenset({"StarChat"}))
    return [scenario.name for group in groups for scenario in group.scenarios]


def test_scenario_names_are_unique_words() -> None:
    """Names are lower-case words with hyphens; names and aliases never clash."""
    scenarios = list_scenarios()
    names = [scenario.name for scenario in scenarios]
    aliases = [scenario.alias for scenario in scenarios]

    assert len({*names, *aliases}) == 2 * len(scenarios)
    assert [name for name in names if not re.fullmatch(r"[a-z]+(-[a-z]+)*", name)] == []


def test_scenario_is_selected_by_name_or_alias() -> None:
    """Earlier reports name scenarios by their aliases."""
    assert names_of("worker-killed-while-generating") == ["worker-killed-while-generating"]
    assert names_of("W4", "redis-emptied") == ["worker-killed-while-generating", "redis-emptied"]
    assert names_of("no-such-scenario") == []


def test_long_scenarios_run_only_if_they_are_named() -> None:
    """Every other scenario runs without a name."""
    long = ["app-refused-for-minutes", "soak"]
    assert names_of(*long) == long
    everything = [scenario.name for scenario in list_scenarios()]
    assert sorted([*names_of(), *long]) == sorted(everything)


def test_baselines_run_the_compared_scenarios() -> None:
    """The same scenarios measure each baseline."""
    groups = select_groups(frozenset(), frozenset({"naive worker", "stock RQ worker"}))
    first, second = ([scenario.name for scenario in group.scenarios] for group in groups)
    assert first == second
    assert "workers-killed-at-random" in first


def test_report_has_one_row_for_each_scenario_and_their_sum() -> None:
    """A table for each system under test."""
    result = ScenarioResult("soak", "long", 7, 3, 1, 2, 0, 0, ("late",), 0.5, 1.25, 60.0)
    _, header, _, row, total = render_markdown([result]).strip().split("\n")[1:]

    assert [cell.strip() for cell in header.split("|")][1:9] == [
        *("scenario", "fault", "mentions", "faults"),
        *("missing", "duplicated", "misplaced", "out of order"),
    ]
    assert row == "| `soak` | long | 7 | 3 | 1 | 2 | 0 | 0 | 1 | 0.5 / 1.2 s | 60 |  |"
    assert total == "| **all** |  | 7 | 3 | 1 | 2 | 0 | 0 | 1 |  | 60 |  |"
