"""What the tests of a whole worker share: one desk, and one worker that has its model."""

from collections.abc import Iterator

import pytest

from tests.support.checkpoints import taught_checkpoint
from tests.support.desk import Desk
from tests.support.processes import Process


@pytest.fixture(scope="session")
def model() -> str:
    """A model that knows a few answers by heart."""
    return str(taught_checkpoint())


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """A workspace and a queue of this module's own."""
    with Desk() as desk:
        yield desk


@pytest.fixture(scope="module")
def worker(desk: Desk, model: str) -> Iterator[Process]:
    """A worker that serves the module's desk and has its model loaded."""
    with desk.worker(model) as worker:
        worker.wait_for("model loaded", within=120)
        yield worker
