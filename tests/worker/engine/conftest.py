"""Fixtures for the engine's tests: models and engines, imported only by tests that use them."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from testing.in_process_engine import EngineFactory
    from worker.engine.loading.loader import LoadedModel


@pytest.fixture(scope="session", autouse=True)
def _use_one_thread() -> None:
    # A run of unit tests has not imported torch, and need not wait for it.
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def models() -> "Callable[[str], LoadedModel]":
    """A function that loads each kind of model once."""
    from tests.worker.engine.loaded_models import load_once  # noqa: PLC0415 - imports torch

    return load_once


@pytest.fixture(scope="session")
def new_engine() -> "EngineFactory":
    """A function that makes an engine with empty slots over a loaded model."""
    from tests.worker.engine.loaded_models import make_engine  # noqa: PLC0415 - imports torch

    return make_engine
