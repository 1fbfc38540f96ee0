"""Bloom filter: it knows all its names, and few others."""

from worker.checks.names.name_filter import NameFilter

NAMES = [f"name-{number}" for number in range(5_000)]


def test_each_name_is_known() -> None:
    """None is lost."""
    names = NameFilter(NameFilter.build(NAMES))

    assert all(name in names for name in NAMES)


def test_few_other_names_pass() -> None:
    """At most 1 of 1,000 of them."""
    names = NameFilter(NameFilter.build(NAMES))

    assert sum(f"other-{number}" in names for number in range(20_000)) <= 20


def test_empty_filter_knows_nothing() -> None:
    """It is the filter of a list that has not been made."""
    assert "x" not in NameFilter(b"")
    assert NameFilter.build([]) == b""
