"""llama.cpp's server, compiled once from the sources in the Python package of llama.cpp."""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from bench.engine.checkpoint import CACHE_DIRECTORY
from bench.engine.environment import LLAMA_CPP_PACKAGE

BUILD_PACKAGES: Final = ("cmake==4.4.5", "ninja==1.13.2")
CMAKE_OPTIONS: Final = (
    "-DCMAKE_BUILD_TYPE=Release",
    # Optimizing the parts around the model takes most of a build, and tests gain nothing by it.
    "-DCMAKE_CXX_FLAGS_RELEASE=-O1",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
    "-DLLAMA_OPENSSL=OFF",
)
"""The server alone: no page and no TLS, whose files a build would download or look for."""
PROGRAM: Final = CACHE_DIRECTORY / "llama-server"


def find_llama_server() -> Path | None:
    """Return the server's program; `None` if it has not been compiled."""
    return PROGRAM if PROGRAM.is_file() else None


def ensure_llama_server() -> Path:
    """Return the server's program; compile it by g++ on first use, in minutes."""
    if PROGRAM.is_file():
        return PROGRAM
    print("compiling llama-server: ten minutes and 1 GB, once", file=sys.stderr)
    CACHE_DIRECTORY.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE_DIRECTORY) as scratch:
        built = _compile_server(Path(scratch))
        shutil.move(built, PROGRAM)
    return PROGRAM


def _compile_server(scratch: Path) -> Path:
    pip = [sys.executable, "-m", "pip"]
    tools, build = scratch / "tools", scratch / "build"
    subprocess.run(
        [*pip, "install", "--quiet", "--target", str(tools), *BUILD_PACKAGES], check=True
    )
    download = [*pip, "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*download, "--dest", str(scratch), LLAMA_CPP_PACKAGE], check=True)
    [archive] = scratch.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(scratch, filter="data")
    [source] = scratch.glob("*/vendor/llama.cpp")
    path = f"{tools / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(tools)}
    for arguments in (
        ["-G", "Ninja", "-S", str(source), "-B", str(build), *CMAKE_OPTIONS],
        ["--build", str(build), "--target", "llama-server"],
    ):
        cmake = [str(tools / "bin" / "cmake"), *arguments]
        subprocess.run(cmake, check=True, stdout=sys.stderr, env=environment)
    return build / "bin" / "llama-server"
