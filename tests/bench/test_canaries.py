"""Lifetime of text: no canary is left in Redis and its files."""

import pytest

from bench.canaries import format_canaries, measure_canaries
from testing.played_clock import find_faketime

pytestmark = pytest.mark.slow


@pytest.fixture
def libfaketime() -> None:
    """Skip a machine on which the clock of Redis cannot be played."""
    try:
        find_faketime()
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("libfaketime")
def test_text_ends_in_redis_and_its_files() -> None:
    """Deletion, both commands, 24 hours and an uninstall leave no key; the log is rewritten."""
    figures = measure_canaries()

    assert len(figures) == 5
    assert all(one.keys_before for one in figures)
    left = [one.keys_after + one.in_rewritten_log + one.in_snapshot for one in figures]
    assert left == [0] * len(figures)
    # The search finds words in the files: without a rewrite, they are there.
    assert figures[0].in_log == figures[0].words
    assert format_canaries(figures).count("\n") == len(figures) + 1
