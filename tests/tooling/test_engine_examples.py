"""Examples of inference servers: documents that parse, with the flags that StarChat relies on."""

from pathlib import Path
from typing import Final

import pytest
import yaml

DIRECTORY: Final = Path(__file__).parents[2] / "deploy" / "engines"


@pytest.mark.parametrize("name", ["vllm.yml", "ray_serve.yml", "kserve.yml"])
def test_example_serves_the_model_without_its_own_sampling_defaults(name: str) -> None:
    """The checkpoint's sampling defaults are off, and the prefix cache is on."""
    text = (DIRECTORY / name).read_text("utf-8")
    words = str(yaml.safe_load(text)).replace("_", "-")

    assert "HuggingFaceH4/starchat-beta" in words
    assert "generation-config" in words
    assert "enable-prefix-caching" in words
    assert "Not yet run" in text
