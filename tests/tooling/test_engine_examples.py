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


def test_ray_keeps_a_thread_on_one_replica() -> None:
    """Its default router chooses among all replicas by load."""
    [application] = yaml.safe_load((DIRECTORY / "ray_serve.yml").read_text("utf-8"))["applications"]
    [config] = application["args"]["llm_configs"]
    router = config["deployment_config"]["request_router_config"]["request_router_class"]

    assert router.endswith(":ConsistentHashRouter")
