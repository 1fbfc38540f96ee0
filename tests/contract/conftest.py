"""The contract's Lua scripts on an empty Redis server."""

import pytest
from redis import Redis

from tests.contract.queue_scripts import QueueScripts


@pytest.fixture
def queue(redis: Redis) -> QueueScripts:
    """The scripts on the empty server."""
    return QueueScripts(redis)
