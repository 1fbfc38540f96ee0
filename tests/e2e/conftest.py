"""Fixture: the whole product, once a session, on a memorizing model."""

from collections.abc import Iterator

import pytest

from testing.checkpoints import memorizing_checkpoint
from testing.product import Product
from testing.worker_harness import refill_budgets


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    """Run fakeslack, Redis, the bot and one worker."""
    with Product(str(memorizing_checkpoint()), forked=True) as product:
        yield product


@pytest.fixture(autouse=True)
def _refill_budgets(request: pytest.FixtureRequest) -> None:
    """Give each test of the module's product full budgets."""
    if "product" in request.fixturenames:
        product: Product = request.getfixturevalue("product")
        with product.redis.connect_as() as watcher:
            refill_budgets(watcher)
