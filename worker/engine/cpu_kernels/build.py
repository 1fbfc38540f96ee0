"""
Build of the CPU's attention kernel by GCC: `python worker/engine/cpu_kernels/build.py`.

Standard library only, because the set-up runs it, and a stage of the image. A library is named
after the hash of what it is built from, so an old one is never loaded. Without GCC the engine
attends by torch.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

DIRECTORY: Final = Path(__file__).resolve().parent
SOURCE: Final = DIRECTORY / "attention.c"
X86_VARIANTS: Final = {"AVX512": "x86-64-v4", "AVX2": "x86-64-v3"}
"""GCC's architecture by the instructions that torch finds on a processor."""
OTHER_VARIANTS: Final = {"aarch64": "armv8-a"}
"""The same for other machines: instructions that each of them has."""
FLAGS: Final = ("-std=gnu11", "-O3", "-fPIC", "-fopenmp", "-Wno-psabi")


def find_library(capability: str) -> Path:
    """Return the library's path for what torch calls the processor's capability, as `AVX512`."""
    # This file has the flags.
    sources = SOURCE.read_bytes() + Path(__file__).read_bytes()
    digest = hashlib.sha256(sources).hexdigest()[:12]
    variant = capability if capability in X86_VARIANTS else platform.machine()
    return DIRECTORY / f"attention-{digest}.{variant}.so"


def build_libraries() -> str:
    """Build what is missing; returns one line that says why a library is missing, or nothing."""
    machine = platform.machine()
    variants = X86_VARIANTS if machine == "x86_64" else {"": OTHER_VARIANTS.get(machine, "native")}
    missing = {name: march for name, march in variants.items() if not find_library(name).exists()}
    compiler = os.environ.get("CC", "gcc")
    if missing and shutil.which(compiler) is None:
        return f"there is no {compiler}"
    for name, march in missing.items():
        error = _build_library(find_library(name), compiler, march)
        if error:
            return f"{compiler} fails with {error}"
    for old in set(DIRECTORY.glob("attention-*.so")) - set(map(find_library, variants)):
        old.unlink(missing_ok=True)
    return ""


def _build_library(library: Path, compiler: str, march: str) -> str:
    """Compile and link a library; returns the compiler's last line if it fails."""
    with tempfile.TemporaryDirectory(dir=DIRECTORY) as folder:
        compiled, linked = Path(folder, "attention.o"), Path(folder, library.name)
        # Linked without OpenMP's library: the kernel uses the one that torch has loaded.
        for arguments in (
            (*FLAGS, f"-march={march}", "-c", str(SOURCE), "-o", str(compiled)),
            ("-shared", str(compiled), "-o", str(linked)),
        ):
            finished = subprocess.run(  # noqa: S603
                [compiler, *arguments], check=False, capture_output=True, text=True
            )
            if finished.returncode:
                return (finished.stderr.splitlines() or [f"status {finished.returncode}"])[-1]
        linked.replace(library)
    return ""


if __name__ == "__main__":
    sys.exit(build_libraries() or 0)
