"""Lists of names, read from `data/`: packages, modules of the standard library, changed names."""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from worker.checks.names.name_filter import NameFilter

DATA_DIRECTORY: Final = Path(__file__).parent / "data"
PACKAGE_LISTS: Final = ("pypi", "npm")
SEPARATORS: Final = re.compile(r"[-_.]+")


@dataclass(frozen=True, slots=True)
class Change:
    """A name that a library renamed or removed: since which version, and what to `use` instead."""

    since: str
    use: str = ""


@dataclass(frozen=True, slots=True)
class NameLists:
    """
    All lists.

    `packages` are filters by registry. `modules` has the attributes of each module of Python's
    standard library. `import_names` are top-level modules whose package has another name. `changes`
    are by dotted name, `dates` (year and month) by list. `first_years` has the years of PyPI's
    packages that are newer than the model's training, as far as they are listed.
    """

    packages: Mapping[str, NameFilter]
    modules: Mapping[str, frozenset[str]]
    import_names: frozenset[str]
    changes: Mapping[str, Change]
    dates: Mapping[str, str]
    first_years: Mapping[str, str]


@cache
def load_name_lists() -> NameLists:
    """Return the lists. Raises `OSError` or `ValueError` if a file is missing or broken."""
    modules = json.loads((DATA_DIRECTORY / "python_modules.json").read_text("utf-8"))
    about = json.loads((DATA_DIRECTORY / "about.json").read_text("utf-8"))
    tables = tomllib.loads((DATA_DIRECTORY / "python_names.toml").read_text("utf-8"))
    first_releases = tomllib.loads((DATA_DIRECTORY / "first_releases.toml").read_text("utf-8"))
    return NameLists(
        packages={
            name: NameFilter((DATA_DIRECTORY / f"{name}.bin").read_bytes())
            for name in PACKAGE_LISTS
        },
        modules={name: frozenset(found.split()) for name, found in modules.items()},
        import_names=frozenset(tables["import_names"]),
        changes={name: Change(**fields) for name, fields in tables["changes"].items()},
        dates={name: str(fields["date"]) for name, fields in about.items()},
        first_years=first_releases["pypi"],
    )


def normalize_pypi_name(name: str) -> str:
    """Return a name as PyPI compares it."""
    return SEPARATORS.sub("-", name).lower()
