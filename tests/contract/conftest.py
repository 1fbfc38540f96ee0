"""A Redis server for the contract's tests, empty at the beginning of each."""

import pytest
from redis import Redis

from tests.contract.queue_scripts import QueueScripts


@pytest.fixture
def places(redis: Redis) -> QueueScripts:
    """The scripts on the empty server."""
    return QueueScripts(redis)
