"""Fixture: the whole product, once a session, on a memorizing model."""

from collections.abc import Iterator

import pytest

from testing.checkpoints import memorizing_checkpoint
from testing.product import Product


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    """Run fakeslack, Redis, the bot and one worker."""
    with Product(str(memorizing_checkpoint()), forked=True) as product:
        yield product
