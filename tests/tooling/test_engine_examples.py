"""Examples of inference servers: documents that parse, with the flags that StarChat relies on."""

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import yaml

from bench.engine.environment import find_python
from worker.settings import Settings

REPOSITORY: Final = Path(__file__).parents[2]
DIRECTORY: Final = REPOSITORY / "deploy" / "engines"
VLLM_PYTHON: Final = find_python("vllm")
ARGUMENTS_CHECK: Final = """
import json, sys
from dataclasses import fields
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser

commands, names = json.load(sys.stdin)
parser = make_arg_parser(FlexibleArgumentParser())
for command in commands:
    parser.parse_args(command)
assert set(names) <= {field.name for field in fields(AsyncEngineArgs)}, names
"""


def read_example(name: str) -> Any:
    """Return an example as a document."""
    return yaml.safe_load((DIRECTORY / name).read_text("utf-8"))


def read_documented_command() -> list[str]:
    """Return the arguments of `vllm serve` in the documents, with the model as an option."""
    text = (REPOSITORY / "docs" / "operations.md").read_text("utf-8")
    [command] = re.findall(r"^vllm serve ((?:.*\\\n)*.*)$", text, re.MULTILINE)
    model, *options = shlex.split(command.replace("\\\n", " "))
    return [f"--model={model}", *options]


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
    [application] = read_example("ray_serve.yml")["applications"]
    [config] = application["args"]["llm_configs"]
    router = config["deployment_config"]["request_router_config"]["request_router_class"]

    assert router.endswith(":ConsistentHashRouter")


def test_both_addresses_of_vllm_reach_it() -> None:
    """To a worker in Compose, the host's loopback address is the worker's own."""
    text = (DIRECTORY / "vllm.yml").read_text("utf-8")
    [outside, inside] = [urlsplit(url) for url in re.findall(r"STARCHAT_ENGINE_URL=(\S+)", text)]
    document = read_example("vllm.yml")
    server = document["services"][inside.hostname]
    product = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text("utf-8"))
    worker = product["services"]["remote-worker"]

    assert server["ports"] == [f"{outside.netloc}:{inside.port}"]
    assert set(server["networks"]) & set(worker["networks"])
    # Root in one container would write what the user in the other can't.
    assert not document["volumes"].keys() & product["volumes"].keys()


@pytest.mark.vllm
@pytest.mark.skipif(VLLM_PYTHON is None, reason="needs `make vllm`, which sets up a vLLM")
def test_vllm_takes_the_arguments() -> None:
    """Its own parser reads each command, and Ray's arguments are fields of its engine."""
    commands = [
        read_example("vllm.yml")["services"]["vllm"]["command"],
        read_example("kserve.yml")["spec"]["predictor"]["containers"][0]["args"],
        read_documented_command(),
    ]
    [application] = read_example("ray_serve.yml")["applications"]
    names = list(application["args"]["llm_configs"][0]["engine_kwargs"])
    done = subprocess.run(
        [str(VLLM_PYTHON), "-c", ARGUMENTS_CHECK],
        input=json.dumps([commands, names]),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("name", ["vllm.yml", "ray_serve.yml", "kserve.yml"])
def test_example_names_the_setting_of_the_worker(name: str) -> None:
    """Each name is a setting, and the address lacks `/v1`, which the worker adds."""
    text = (DIRECTORY / name).read_text("utf-8")
    names = set(re.findall(r"STARCHAT_\w+", text))

    assert "STARCHAT_ENGINE_URL" in names
    assert names <= {field.upper() for field in Settings.model_fields}
    assert "/v1" not in re.findall(r"STARCHAT_ENGINE_URL=(\S+)", text)[0]
