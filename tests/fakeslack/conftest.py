"""A workspace for the tests of fakeslack."""

from collections.abc import Iterator

import pytest

from tests.support.workspace import Workspace


@pytest.fixture
def slack() -> Iterator[Workspace]:
    """A fresh workspace in a process of its own."""
    with Workspace() as workspace:
        yield workspace
