"""Fixture: trainings and evaluations on one thread."""

from collections.abc import Iterator

import pytest


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small steps are faster on one thread, and the random numbers of other tests stay."""
    # Tests of the preparation need no torch.
    import torch  # noqa: PLC0415

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        yield
    torch.set_num_threads(threads)
