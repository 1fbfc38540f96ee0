"""Fixture: the whole product, once a session, on a memorizing model."""

from collections.abc import Iterator

import pytest

from testing.checkpoints import memorizing_checkpoint
from testing.product import Product
from testing.worker_harness import refill_budgets
from testing.workspace import PYTHON


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Run fakeslack, Redis, the bot and one worker. One channel links to earlier answers."""
    rules = tmp_path_factory.mktemp("rules") / "channels.toml"
    rules.write_text(f"[channels.{PYTHON}]\nasked_before = true\n", "utf-8")
    model = str(memorizing_checkpoint())
    with Product(model, forked=True, STARCHAT_CHANNELS_FILE=str(rules)) as product:
        yield product


@pytest.fixture(autouse=True)
def _refill_budgets(request: pytest.FixtureRequest) -> None:
    """Give each test of the module's product full budgets."""
    if "product" in request.fixturenames:
        product: Product = request.getfixturevalue("product")
        with product.redis.connect_as() as watcher:
            refill_budgets(watcher)
