"""Fixtures of the candidates' tests."""

from pathlib import Path

import pytest

from testing.tokenizers import write_starchat_tokenizer
from worker.answering.candidates import race


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with StarChat's tokenizer."""
    return write_starchat_tokenizer(tmp_path_factory.mktemp("starchat"))


@pytest.fixture(autouse=True)
def _wait_for_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a busy machine check all candidates."""
    monkeypatch.setattr(race, "MAX_SCORING_SECONDS", 600.0)
